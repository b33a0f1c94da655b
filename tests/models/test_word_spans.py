"""Steps under each word: spans of a store's clips, through pooling, prepended arrays and batches."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume
from hypothesis import given as examples
from hypothesis import strategies as st
from support.training import train_cell

import affectstore
from affectstore.config.experiment import Experiment
from affectstore.models.cells.recipe import Recipe, recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.batch import Batch
from affectstore.models.data.dataset import load_clips
from affectstore.models.data.rng import RngStreams
from affectstore.models.data.word_spans import WordSpans, find_untimed, load_spans
from affectstore.models.spec import TRICKS, TrainingError
from affectstore.models.training.trick import Trick, TrickSetup
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

LABELS_OF_CORPUS = ("ANG", "HAP", "SAD")
CELL = {"modalities": ["audio", "text"], "encoder": "blstm", "fusion": "word_gmu"}
SPECS = {
    "lld": (ArraySpec("values", "float32", ("frame", "feature"), (3,)),),
    "bert": (
        ArraySpec("values", "float16", ("word", "feature"), (4,)),
        ArraySpec("times", "float64", ("word",), unit="s", allow_nan=True),
        ArraySpec("ends", "float64", ("word",), unit="s", allow_nan=True),
        ArraySpec("cls", "float16", ("clip", "feature"), (4,), granularity="clip"),
    ),
}
#: Times of three words, beside rows of .1 s: the last word is shorter than a row, and between two middles.
TIMES, ENDS = [0.0, 0.31, 0.96], [0.31, 0.6, 0.98]


def write(root: Path, clips: int = 24, row: str = "word") -> Path:
    """A store of clips of 10 rows and 3 words; a class is a level of the LLDs; the words of clip 001 have no times."""
    rng = np.random.default_rng(0)
    labels = [LABELS_OF_CORPUS[k % 3] for k in range(clips)]
    for name, specs in SPECS.items():
        specs = tuple(replace(spec, dims=(spec.dims[0].replace("word", row), *spec.dims[1:])) for spec in specs)
        with ShardWriter(root / name, "000", "ab" * 32, specs, {}) as writer:
            for k, label in enumerate(labels):
                if name == "lld":
                    values = rng.normal(LABELS_OF_CORPUS.index(label), 0.1, (10, 3)).astype(np.float32)
                    arrays = ClipArrays({"values": values}, Grid(Fraction(0), Fraction(10)))
                else:
                    known = np.nan if k == 1 else 1.0
                    words = rng.normal(size=(4, 4)).astype(np.float16)
                    arrays = ClipArrays(
                        {
                            "values": words[1:],
                            "times": known * np.array(TIMES),
                            "ends": known * np.array(ENDS),
                            "cls": words[:1],
                        }
                    )
                writer.append(f"{k:03d}", "cd" * 32, arrays)
            writer.finish()
        commit(root / name, ["000"], {})
    ids = [f"{k:03d}" for k in range(clips)]
    table = pd.DataFrame({"clip_id": ids, "speaker": [f"s{k % 8}" for k in range(clips)], "label_intended": labels})
    table.to_parquet(root / "clips.parquet")
    return root


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("words") / "store")


def experiment(cell: dict[str, Any] = CELL, **settings: Any) -> Experiment:
    small = {"hidden_dim": 8}
    return Experiment(
        title="t",
        corpus="synthetic",
        cells=({**cell, "encoder_options": small},),
        seeds=1,
        **{"train": {"learning_rate": 1e-2, "batch_size": 6, "epochs": 3}, **settings},
    )


def recipe(cell: dict[str, Any] = CELL, **settings: Any) -> Recipe:
    asked = experiment(cell, **settings)
    return recipe_for(asked, asked.cells[0], LABELS_OF_CORPUS, {"lld": 3, "bert": 4})


def spans(root: Path, **sequences: Any) -> list[list[int]]:
    found = load_spans(affectstore.open(root), recipe(sequences=sequences), ["000"])
    return found.values["audio"].tolist()


def test_rows_whose_middles_a_word_contains_are_under_it(written: Path) -> None:
    assert spans(written) == [[0, 3], [3, 6], [9, 10]]
    assert spans(written, pool={"audio": 2}) == [[0, 2], [1, 3], [4, 5]]
    assert spans(written, pool={"text": 2}) == [[0, 6], [9, 10]]
    assert spans(written, pool=2) == [[0, 3], [4, 5]]
    assert spans(written, max_steps=2) == [[0, 2], [1, 2]]


def test_a_step_before_the_words_spans_the_whole_clip(written: Path) -> None:
    assert spans(written, prepend={"text": "cls"}) == [[0, 10], [0, 3], [3, 6], [9, 10]]
    assert spans(written, prepend={"text": "cls"}, pool={"audio": 4}) == [[0, 3], [0, 1], [0, 2], [2, 3]]


@examples(
    st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 40), st.integers(1, 5), st.integers(1, 3)
)
def test_pooled_spans_hold_the_steps_of_all_their_rows(lengths: list[int], rows: int, pool: int, together: int) -> None:
    from affectstore.models.data.word_spans import _steps_under

    edges = np.minimum(np.cumsum([0, *lengths]), rows)
    of_rows = np.stack([edges[:-1], edges[1:]], axis=1)
    assume((of_rows[:, 1] > of_rows[:, 0]).all())
    made = recipe(sequences={"pool": {"audio": pool, "text": together}})
    found = _steps_under(of_rows, rows, made, "audio")
    for k, (first, end) in enumerate(found.tolist()):
        held = np.concatenate([np.arange(a, b) for a, b in of_rows[k * together : (k + 1) * together]])
        assert set(range(first, end)) == set((held // pool).tolist())
        assert 0 <= first < end <= -(-rows // pool)


def test_other_fusions_need_no_times(written: Path, tmp_path: Path) -> None:
    store, other = affectstore.open(written), recipe({**CELL, "fusion": "gmu"})
    table = pd.DataFrame({"clip_id": ["000", "001"], "speaker": "s", "label": "HAP"})
    assert load_clips(store, other, table, tmp_path).spans is None
    with pytest.raises(TrainingError, match="does not align modalities with words"):
        load_spans(store, other, ["000", "001"])
    assert find_untimed(store, other, ["000", "001"]) == {}


def test_clips_without_word_times_are_left_out_and_counted(written: Path, tmp_path: Path) -> None:
    assert find_untimed(affectstore.open(written), recipe(), ["000", "001", "002"]) == {
        "001": "bert: the times of its words are not known"
    }
    table = pd.read_parquet(written / "clips.parquet")
    subsets = np.array(["train", "train", "val", "test"])[np.arange(len(table)) // 3 % 4]
    split = pd.DataFrame({"fold": 0, "clip_id": table["clip_id"], "subset": subsets, "reason": ""})
    split.to_parquet(tmp_path / "split.parquet")
    asked = experiment(train={"learning_rate": 1e-2, "batch_size": 6, "epochs": 3, "tricks": {"mixup": {"alpha": 0.4}}})
    train_cell(asked, tmp_path, store=written, classes=LABELS_OF_CORPUS, digests={"config": "c"})
    run = json.loads((tmp_path / "out/0/run.json").read_text())
    assert run["skipped"] == {"bert: the times of its words are not known": 1}
    assert run["n"]["train"] == 11
    predictions = pd.read_parquet(tmp_path / "out/0/predictions.parquet")
    assert set(predictions["condition"]) == {"full", "no_audio", "no_text"}


def test_other_rows_than_words_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "store", clips=2, row="wordpiece")
    with pytest.raises(
        TrainingError, match=r"'word_gmu' aligns modalities with words.*'bert' has one row per wordpiece.*rows: words"
    ):
        load_spans(affectstore.open(root), recipe(), ["000"])


def test_it_needs_text() -> None:
    asked = experiment({**CELL, "modalities": ["audio", "vision"]})
    assert cell_problem(asked, asked.cells[0]) == (
        "fusion 'word_gmu' aligns modalities with words, so it needs text among the modalities, which are audio, vision"
    )


def test_an_array_of_the_clip_can_be_prepended(written: Path, tmp_path: Path) -> None:
    store = affectstore.open(written)
    table = pd.DataFrame({"clip_id": ["004", "000"], "speaker": "s", "label": "HAP"})
    clips = load_clips(store, recipe(sequences={"prepend": {"text": "cls"}, "pool": {"audio": 3}}), table, tmp_path)
    text = clips.inputs["text"]
    assert text.lengths.tolist() == [4, 4]
    assert np.array_equal(text.values[:1].numpy(), store["bert"].array("004", "cls"))
    assert np.array_equal(text.values[1:4].numpy(), store["bert"]["004"])
    assert clips.inputs["audio"].lengths.tolist() == [4, 4]


def test_a_missing_array_is_named(written: Path, tmp_path: Path) -> None:
    store = affectstore.open(written)
    table = pd.DataFrame({"clip_id": ["004"], "speaker": "s", "label": "HAP"})
    with pytest.raises(TrainingError, match=r"'clss' before the rows of feature 'bert' of clip '004'.*it has cls"):
        load_clips(store, recipe(sequences={"prepend": {"text": "clss"}}), table, tmp_path)
    with pytest.raises(TrainingError, match=r"'cls' before the rows of feature 'lld'.*it has none"):
        load_clips(store, recipe(sequences={"prepend": {"audio": "cls"}}), table, tmp_path)


def test_spans_of_a_batch_are_zero_after_the_last_word() -> None:
    words = WordSpans({"audio": torch.tensor([[0, 2], [2, 5], [1, 3]])}, torch.tensor([0, 2, 3]))
    found = words.gather(torch.tensor([1, 0]), torch.device("cpu"))["audio"]
    assert found.tolist() == [[[1, 3], [0, 0]], [[0, 2], [2, 5]]]


def trick(name: str, **options: Any) -> Trick:
    declared = TRICKS.load(name)
    made: Trick = declared.build(declared.Options(**options), TrickSetup(("audio", "text")))
    return made


def test_spans_stay_with_their_clips() -> None:
    spans = torch.tensor([[[0, 2], [2, 5]], [[1, 3], [0, 0]], [[0, 1], [1, 2]]])
    batch = Batch(
        {"audio": torch.ones(3, 5, 1), "text": torch.ones(3, 2, 1)},
        {"audio": torch.ones(3, 5).bool(), "text": spans[..., 1] > 0},
        torch.tensor([0, 1, 2]),
        torch.tensor([0, 1, 2]),
        {"audio": spans},
    )
    assert torch.equal(batch.select(torch.tensor([2, 0])).spans["audio"], spans[[2, 0]])
    assert torch.equal(batch.with_zeros("audio").spans["audio"], spans)
    assert torch.equal(batch.without("text").spans["audio"], spans)
    assert batch.without("audio").spans == {}
    assert torch.equal(trick("modality_dropout", rate=0.9).on_batch(batch, RngStreams(0, 1, 0)).spans["audio"], spans)
    for seed in range(8):
        mixed = trick("mixup", alpha=0.4).on_batch(batch, RngStreams(seed, 1, 0))
        wanted = spans.clone()
        wanted[1, 1] = spans[mixed.mixed_labels[1], 1]  # labels are places; the clip's own words keep their times
        assert torch.equal(mixed.spans["audio"], wanted)
