"""Sequences from the store to a batch: averaging of rows, normalisation, padding, order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectstore.config.experiment import Experiment, Sequences
from affectstore.models.cells.recipe import Recipe, recipe_for
from affectstore.models.data.batch import BatchMaker, Scale, compute_scales
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.sequences import StepInputs, pool_factor, to_steps
from affectstore.models.spec import TrainingError
from affectstore.models.training.loader import bucketed_batches

CPU = torch.device("cpu")


def test_a_step_is_the_mean_of_its_rows():
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    assert to_steps(rows, Sequences(pool=3), "x", "audio").tolist() == [[2, 3], [8, 9], [12, 13]]
    assert to_steps(rows, Sequences(), "x", "audio").tolist() == rows.tolist()
    assert to_steps(rows, Sequences(max_steps=2), "x", "audio").tolist() == [[3, 4], [10, 11]]
    chunks = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
    assert to_steps(chunks, Sequences(), "x", "audio").shape == (2, 12)


@given(st.integers(1, 500), st.integers(1, 9), st.integers(1, 60))
def test_no_clip_has_more_steps_than_allowed(rows: int, pool: int, maximum: int):
    settings = Sequences(pool=pool, max_steps=maximum)
    steps = to_steps(np.zeros((rows, 1), np.float32), settings, "x", "audio")
    assert 1 <= len(steps) <= maximum
    assert len(steps) == -(-rows // pool_factor(rows, settings, "audio"))


def test_rows_that_are_no_numbers_are_refused():
    with pytest.raises(TrainingError, match="not finite"):
        to_steps(np.array([[np.nan]], np.float32), Sequences(), "feature 'lld' of clip 'a'", "text")
    with pytest.raises(TrainingError, match=r"feature 'words' of clip 'a'.*made of numbers"):
        to_steps(np.array(["a"], np.dtypes.StringDType()), Sequences(), "feature 'words' of clip 'a'", "text")


def three_clips(offset: float = 0.0, dtype: torch.dtype = torch.float32) -> StepInputs:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(9, 4, generator=generator) * torch.tensor([1.0, 100.0, 0.0, 1.0]) + offset
    return StepInputs(values.to(dtype), torch.tensor([0, 2, 3, 9]))


def recipe(normalise: str = "train") -> Recipe:
    """A network of audio alone that reads such steps."""
    cell = {"modalities": ["audio"], "encoder": "mlp"}
    experiment = Experiment(title="t", corpus="c", cells=(cell,), sequences={"normalise": normalise})
    return recipe_for(experiment, experiment.cells[0], ("ANG", "HAP"), {"lld": 4})


def clip_set(inputs: StepInputs) -> ClipSet:
    table = pd.DataFrame({"clip_id": ["a", "b", "c"], "speaker": "s", "label": "ANG"})
    return ClipSet(table, torch.zeros(3, dtype=torch.int64), {"audio": inputs})


def scale_of(inputs: StepInputs, normalise: str = "train") -> Scale:
    return compute_scales(clip_set(inputs), recipe(normalise))["audio"]


def batch(inputs: StepInputs, places: list[int], normalise: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised values and mask of some clips."""
    made = BatchMaker(clip_set(inputs), recipe(), {"audio": scale_of(inputs, normalise)}, CPU).make(places)
    return made.values["audio"], made.masks["audio"]


@pytest.mark.parametrize("offset", [0.0, 4000.0])
def test_scales_are_those_of_the_steps(offset: float):
    inputs = three_clips(offset)
    scale = scale_of(inputs)
    values = inputs.values.double()
    np.testing.assert_allclose(scale.mean, values.mean(dim=0), rtol=1e-12, atol=1e-12)
    std = values.std(dim=0, correction=0)
    std[2] = 1.0  # a column that never varies is only centred
    np.testing.assert_allclose(scale.std, std, rtol=1e-9)
    assert scale_of(inputs, "none") == Scale((0.0,) * 4, (1.0,) * 4)


def test_a_batch_is_as_long_as_its_longest_clip_and_zero_where_padded():
    inputs = three_clips(7.0)
    scale = scale_of(inputs)
    values, mask = batch(inputs, [1, 0])
    assert values.shape == (2, 2, 4)
    assert mask.tolist() == [[True, False], [True, True]]
    assert (values[0, 1] == 0).all()
    alone, _ = batch(inputs, [1])
    torch.testing.assert_close(alone[0, 0], values[0, 0], rtol=0, atol=0)
    expected = (inputs.values[2] - torch.tensor(scale.mean)) / torch.tensor(scale.std)
    torch.testing.assert_close(values[0, 0], expected)


def test_half_precision_stays_half_until_the_batch():
    inputs = three_clips(dtype=torch.float16)
    assert inputs.gather(torch.tensor([2]))[0].dtype == torch.float16
    values, _ = batch(inputs, [2], "none")
    assert values.dtype == torch.float32
    assert inputs.padded_size == 3 * 6 * 4


@given(st.integers(1, 200), st.integers(1, 33), st.integers(0, 5), st.integers(0, 5))
def test_batches_by_length_hold_every_clip_once(clips: int, size: int, seed: int, epoch: int):
    lengths = np.random.default_rng(seed).integers(1, 400, clips)
    found = list(bucketed_batches(clips, size, seed, epoch, lengths))
    assert sorted(np.concatenate(found).tolist()) == list(range(clips))
    assert all(len(index) <= size + 1 for index in found)
    assert clips == 1 or size == 1 or all(len(index) > 1 for index in found)
    again = list(bucketed_batches(clips, size, seed, epoch, lengths))
    assert [index.tolist() for index in found] == [index.tolist() for index in again]


def test_batches_by_length_pad_little():
    lengths = np.random.default_rng(0).integers(10, 400, 512)

    def padded(by: np.ndarray | None) -> float:
        steps = [lengths[index].max() * len(index) for index in bucketed_batches(512, 16, 0, 1, by)]
        return sum(steps) / lengths.sum() - 1

    assert padded(lengths) < 0.2 < padded(None)
    assert [b.tolist() for b in bucketed_batches(512, 16, 0, 1, lengths)] != [
        b.tolist() for b in bucketed_batches(512, 16, 0, 2, lengths)
    ]
