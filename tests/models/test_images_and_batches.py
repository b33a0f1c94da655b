"""Rows to images and images to batches: hand-computed values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectstore.config.experiment import Experiment, Images
from affectstore.models.cells.recipe import Recipe, recipe_for
from affectstore.models.data import dataset
from affectstore.models.data.batch import BatchMaker, Scale, compute_scales
from affectstore.models.data.dataset import find_unusable, load_clips
from affectstore.models.data.images import sample_frames, to_images
from affectstore.models.spec import TrainingError

CLASSES = ("ANG", "HAP", "SAD")
CPU = torch.device("cpu")
GRAYSCALE, RGB = Images(image_px=8, colour="grayscale"), Images(image_px=8, colour="rgb")
IMAGE = {"modalities": ["vision"], "encoder": "resnet18"}
CLIP = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "channel"}


def recipe(cell: dict, **images: object) -> Recipe:
    settings = {"image_px": 8, "colour": "grayscale", "frames": 4} | images
    experiment = Experiment(title="t", corpus="c", cells=(cell,), images=settings)
    return recipe_for(experiment, experiment.cells[0], CLASSES)


def table(*clip_ids: str) -> pd.DataFrame:
    return pd.DataFrame({"clip_id": clip_ids, "speaker": "s", "label": CLASSES[0]})


@given(rows=st.integers(1, 500), frames=st.integers(1, 200))
def test_frames_are_sampled_evenly(rows: int, frames: int) -> None:
    index = sample_frames(rows, frames)
    assert len(index) == min(rows, frames)
    assert index.min() >= 0
    assert index.max() < rows
    if rows > frames:
        steps = np.diff(index)
        assert set(steps) <= {rows // frames, -(-rows // frames)}
        assert abs(index[0] - (rows - 1 - index[-1])) <= 1  # as far from the first row as from the last
    else:
        assert index.tolist() == list(range(rows))


def test_one_frame_is_the_middle_row() -> None:
    assert [sample_frames(rows, 1)[0] for rows in (1, 2, 3, 66, 67)] == [0, 1, 1, 33, 33]
    assert sample_frames(10, 4).tolist() == [1, 3, 6, 8]


def test_images_keep_their_values_at_their_own_size() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(to_images(torch.from_numpy(rows), RGB, "x").numpy(), rows.transpose(0, 3, 1, 2))


def test_grayscale_is_luma() -> None:
    rows = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    rows[..., 0], rows[..., 1], rows[..., 2] = 100, 50, 200
    expected = round(0.299 * 100 + 0.587 * 50 + 0.114 * 200)
    assert to_images(torch.from_numpy(rows), GRAYSCALE, "x").unique().tolist() == [expected]


def test_images_shrink_by_area() -> None:
    rows = np.zeros((1, 16, 16), dtype=np.uint8)
    rows[:, ::2] = 200
    small = to_images(torch.from_numpy(rows), GRAYSCALE, "x")
    assert small.shape == (1, 1, 8, 8)
    assert small[:, :, 1:-1].unique().tolist() == [100]  # picking every other row would give 0 or 200


def test_levels_become_images_from_silence_to_full_scale() -> None:
    rows = np.full((2, 8, 4), -80, dtype=np.float16)
    rows[1] = -20
    rows[1, 0] = 5
    levels = to_images(torch.from_numpy(rows), RGB, "x")
    assert (levels.dtype, levels.shape) == (torch.float16, (2, 1, 8, 8))
    assert levels[0].unique().tolist() == [0.0]
    assert levels[1, 0, 0].unique().tolist() == [1.0]
    assert levels[1, 0, 1:].unique().tolist() == [0.75]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.zeros((2, 65), dtype=np.float32), "has rows of float32 (65,)"),
        (np.zeros((2, 8, 8, 4), dtype=np.uint8), "has rows of uint8 (8, 8, 4)"),
        (np.array(["a", "b"], np.dtypes.StringDType()), "has rows of StringDType() ()"),
        (np.full((2, 8, 4), np.nan, dtype=np.float16), "has values that are not finite"),
    ],
)
def test_rows_that_are_no_images_are_refused(fake: Any, tmp_path: Path, rows: np.ndarray, words: str) -> None:
    with pytest.raises(TrainingError) as caught:
        load_clips(fake.store_of(faces={"7": rows}), recipe(IMAGE), table("7"), tmp_path)
    assert f"feature 'faces' of clip '7' {words}" in str(caught.value)


def test_a_short_clip_is_padded_behind_its_mask(fake: Any, tmp_path: Path) -> None:
    store = fake.store_of(
        frames={"a": np.full((2, 8, 8, 3), 10, np.uint8), "b": np.full((9, 8, 8, 3), 20, np.uint8)},
        mel_chunks={"a": np.full((2, 8, 4), -40, np.float16), "b": np.full((9, 8, 4), -60, np.float16)},
    )
    rules = recipe(CLIP)
    clips = load_clips(store, rules, table("a", "b"), tmp_path)
    assert clips.inputs["vision"].values.shape == (2, 1, 4, 8, 8)
    assert clips.inputs["vision"].mask.tolist() == [[True, True, False, False], [True] * 4]
    scales = compute_scales(clips, rules)
    # By hand: vision 2 frames of 10 and 4 of 20; audio 2 frames of 0.5 and 4 of 0.25. Padding does not count.
    mean = (2 * 10 + 4 * 20) / 6 / 255
    std = np.sqrt((2 * 100 + 4 * 400) / 6 / 255**2 - mean**2)
    assert scales["vision"].mean == pytest.approx((mean,))
    assert scales["vision"].std == pytest.approx((std,))
    assert scales["audio"].mean == pytest.approx(((2 * 0.5 + 4 * 0.25) / 6,))
    batch = BatchMaker(clips, rules, scales, CPU).make([1, 0])
    assert batch.values["vision"].shape == (2, 1, 4, 8, 8)
    assert batch.values["vision"][0].unique().tolist() == pytest.approx([(20 / 255 - mean) / std], abs=1e-5)
    assert batch.values["vision"][1, :, 2:].abs().max() == 0
    assert batch.masks["audio"].tolist() == [[True] * 4, [True, True, False, False]]


def test_an_image_is_the_middle_row_and_repeated_for_three_channels(fake: Any, tmp_path: Path) -> None:
    rows = np.stack([np.full((8, 8), value, np.uint8) for value in (10, 20, 30, 40, 50)])
    rules = recipe(IMAGE, colour="rgb")
    clips = load_clips(fake.store_of(faces={"a": rows}), rules, table("a"), tmp_path)
    assert clips.inputs["vision"].values.unique().tolist() == [30]
    batch = BatchMaker(clips, rules, {"vision": Scale(mean=(0.0,), std=(1.0,))}, CPU).make([0])
    assert batch.values["vision"].shape == (1, 3, 8, 8)
    assert batch.values["vision"].unique().tolist() == pytest.approx([30 / 255])


def test_a_constant_channel_is_only_centred(fake: Any, tmp_path: Path) -> None:
    rules = recipe(IMAGE)
    clips = load_clips(fake.store_of(faces={"a": np.full((1, 8, 8), 51, np.uint8)}), rules, table("a"), tmp_path)
    scales = compute_scales(clips, rules)
    assert scales["vision"].std == (1.0,)
    assert BatchMaker(clips, rules, scales, CPU).make([0]).values["vision"].abs().max() < 1e-6


def test_without_normalising_images_range_from_zero_to_one(fake: Any, tmp_path: Path) -> None:
    rules = recipe(IMAGE, normalise="none")
    clips = load_clips(fake.store(), rules, table("000", "001"), tmp_path)
    assert compute_scales(clips, rules)["vision"] == Scale(mean=(0.0,), std=(1.0,))


def test_values_that_do_not_fit_into_memory_are_mapped(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, rules = fake.store(), recipe(CLIP)
    resident = load_clips(store, rules, table("000", "001", "002"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(dataset, "_MEMORY_SHARE", 0.0)
    mapped = load_clips(store, rules, table("000", "001", "002"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    for modality in rules.modalities:
        assert torch.equal(resident.inputs[modality].values, mapped.inputs[modality].values)


def test_unusable_clips_have_a_reason(fake: Any) -> None:
    store = fake.store(clips=6)
    faces = store.features["faces"]
    del faces.arrays["002"], faces.arrays["004"]
    faces.failed["002"] = "no face found"
    store.features["mel_image"].arrays["003"] = np.zeros((0, 8, 8), np.uint8)
    assert find_unusable(store, ["mel_image", "faces"], ["001", "002", "003", "004"]) == {
        "002": "faces: failed, no face found",
        "003": "mel_image: no rows",
        "004": "faces: not in the store",
    }
