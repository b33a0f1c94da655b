"""Runs of baselines: vectors that are pooled over time, files, predictions, and the choice of a grid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.baseline_examples import CLASSES, asked, every
from support.metrics import evaluate

import affectstore
from affectstore.errors import StaleError, StoreError
from affectstore.evaluation.predictions import read_predictions
from affectstore.evaluation.row_notes import row_notes
from affectstore.evaluation.runs import Run
from affectstore.models.baseline_fit.saved import FittedBaseline, load_baseline
from affectstore.models.baseline_fit.vectors import ColumnScale, load_vectors, pool_rows
from affectstore.models.baseline_spec import BASELINES
from affectstore.models.cells.job import TrainJob
from affectstore.models.spec import TrainingError
from affectstore.models.train_fold import train_fold
from affectstore.preflight.cells import combination_digests
from affectstore.store.spec import ArraySpec

DIGESTS = {"config": "c", "split": "s", "features": "f"}


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 99))
def test_pooling_is_mean_and_standard_deviation_over_time(rows: int, columns: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(300, 5, (rows, columns)).astype(np.float32)
    exact = values.astype(np.float64)
    mean = exact.sum(axis=0) / rows
    std = np.sqrt(((exact - mean) ** 2).sum(axis=0) / rows)
    np.testing.assert_allclose(pool_rows(values, "mean_std"), [*mean, *std], rtol=1e-6)
    np.testing.assert_allclose(pool_rows(values, "mean"), mean, rtol=1e-6)
    assert pool_rows(values, "mean_std").dtype == np.float32


def test_constant_columns_are_centred_and_others_standardised() -> None:
    x = np.array([[1, 0.1, 5], [3, 0.1, 5]], dtype=np.float32)
    scale = ColumnScale.of(x)
    np.testing.assert_allclose(scale(x), [[-1, 0, 0], [1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(scale(np.array([[2, 1.1, 4]])), [[0, 1, -1]], atol=1e-6)


@dataclass
class Rows:
    """A feature in memory: rows by clip."""

    arrays: dict[str, np.ndarray]
    spec: ArraySpec
    attrs: dict[str, Any]

    def __getitem__(self, clip_id: str) -> np.ndarray:
        return self.arrays[clip_id]

    def rows(self, clip_id: str) -> int:
        return len(self.arrays[clip_id])

    @property
    def status(self) -> pd.DataFrame:
        rows = [
            (clip, "ok" if len(a) else "failed", "" if len(a) else "silent", len(a)) for clip, a in self.arrays.items()
        ]
        return pd.DataFrame(rows, columns=["clip_id", "status", "reason", "rows"])


@dataclass
class Bench:
    """One fold: a store of functionals (one row per clip) and of face vectors (one per frame), and its split."""

    features: dict[str, Rows]
    clips: pd.DataFrame
    split: pd.DataFrame
    folder: Path

    def __getitem__(self, name: str) -> Rows:
        return self.features[name]

    def train(self, cell: dict[str, Any], out: str = "out", **changes: Any) -> Path:
        experiment = asked(cell, **changes)
        self.split.to_parquet(self.folder / "split.parquet")
        job = TrainJob(
            experiment_name="test",
            experiment=experiment,
            cell=experiment.cells[0],
            fold=0,
            classes=CLASSES,
            store=self.folder,
            split=self.folder / "split.parquet",
            out=self.folder / out,
            digests=DIGESTS,
            combinations=combination_digests(experiment, experiment.cells[0]),
        )
        train_fold(job)
        return self.folder / out / "0"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    rng = np.random.default_rng(0)
    ids = [f"{k:03d}" for k in range(72)]
    labels = [CLASSES[k % 3] for k in range(72)]
    functionals, faces = {}, {}
    for k, clip_id in enumerate(ids):
        level = np.eye(3)[k % 3] * 3
        functionals[clip_id] = (rng.normal(size=(1, 3)) + level).astype(np.float32)
        faces[clip_id] = (rng.normal(size=(5 + k % 4, 3)) + level).astype(np.float16)
    features = {
        "functionals": Rows(functionals, ArraySpec("values", "float32", ("clip", "functional"), (3,)), {}),
        "vggface": Rows(
            faces, ArraySpec("values", "float16", ("frame", "feature"), (3,)), {"random_weights": ["vggface"]}
        ),
    }
    table = pd.DataFrame({"clip_id": ids, "speaker": [f"s{k // 3}" for k in range(72)], "label_intended": labels})
    subsets = np.array(["train", "train", "val", "test"])[np.arange(72) // 3 % 4]
    split = pd.DataFrame({"fold": 0, "clip_id": ids, "subset": subsets, "reason": ""})
    store = Bench(features, table, split, tmp_path)
    monkeypatch.setattr(affectstore, "open", lambda root: store)
    return store


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


@every
def test_a_run_is_complete_and_loads_back_to_the_bit(name: str, bench: Bench) -> None:
    folder = bench.train({"modalities": ["audio", "vision"], "baseline": name}, seeds=2)
    files = ["history.csv", "model.json", "model.safetensors", "predictions.parquet", "run.json"]
    assert sorted(path.name for path in folder.iterdir()) == files
    run = facts(folder)
    assert (run["cell"], run["fold"], run["seed"]) == (f"{name}-multimodal", 0, 0)
    assert run["digests"] == DIGESTS
    assert run["n"] == {"train": 36, "val": 18, "test": 18}
    assert run["parameters"] > 0
    assert run["train_s"] > 0
    assert run["train_ms_per_clip"] == pytest.approx(1000 * run["train_s"] / 36)
    assert run["device_name"]
    assert run["infer_ms_per_clip"] > 0
    table = read_predictions(folder / "predictions.parquet", CLASSES, fold=0, seed=0)
    counts = table.groupby(["subset", "condition"]).size().to_dict()
    assert counts == {("val", "full"): 18, ("test", "full"): 18, ("test", "no_audio"): 18, ("test", "no_vision"): 18}
    again = load_baseline(folder)
    for condition, without in (("full", None), ("no_audio", "audio"), ("no_vision", "vision")):
        rows = table[(table["subset"] == "test") & (table["condition"] == condition)]
        vectors = load_vectors(bench, again.recipe, rows[["clip_id", "speaker"]].assign(label=rows["y"]))
        np.testing.assert_array_equal(
            again.probabilities(vectors, without), rows[[f"p_{label}" for label in CLASSES]].to_numpy()
        )
    assert facts(folder.parent / "1")["seed"] == 1
    record = json.loads((folder / "model.json").read_text())
    assert (record["format"], record["digests"]) == (2, DIGESTS)
    load_baseline(folder, DIGESTS)
    with pytest.raises(StaleError, match=r"another features: its digest is f, expected is g;.*delete"):
        load_baseline(folder, DIGESTS | {"features": "g"})


@every
def test_the_test_subset_is_never_seen(name: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    module = BASELINES.load(name)
    real, given = module.fit, []
    monkeypatch.setattr(module, "fit", lambda *args: given.append(args) or real(*args))
    cell = {"modalities": ["audio"], "baseline": name}
    first = load_baseline(bench.train(cell))
    subsets = bench.split.groupby("subset")["clip_id"].agg(set)
    (train, val, classes, seed, _), *_ = given
    assert (set(train.ids), set(val.ids), classes, seed) == (subsets["train"], subsets["val"], 3, 0)
    for clip_id in subsets["test"]:
        bench["functionals"].arrays[clip_id] = bench["functionals"].arrays[clip_id] * 100 + 7
    again = load_baseline(bench.train(cell, "again"))
    assert all(np.array_equal(first.state[key], again.state[key]) for key in first.state)
    assert np.array_equal(first.scales["audio"].mean, again.scales["audio"].mean)


def test_vectors_are_standardised_by_the_training_subset_and_joined(bench: Bench) -> None:
    folder = bench.train({"modalities": ["vision", "audio"], "baseline": "linear_svm"})
    run, saved = facts(folder), load_baseline(folder)
    assert run["columns"] == {"vision": 6, "audio": 3}
    train = bench.split.loc[bench.split["subset"] == "train", "clip_id"]
    rows = np.concatenate([bench["functionals"].arrays[i] for i in train]).astype(np.float64)
    np.testing.assert_allclose(saved.scales["audio"].mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(saved.scales["audio"].std, rows.std(axis=0), rtol=1e-12)
    assert saved.state["coefficients"].shape == (3, 9)
    plain = bench.train(
        {"modalities": ["vision"], "baseline": "linear_svm", "baseline_options": {"pool": "mean"}}, "plain"
    )
    assert facts(plain)["columns"] == {"vision": 3}
    assert facts(plain)["input_kind"] == "vector"


def test_badges_are_those_of_the_row(bench: Bench) -> None:
    bench.split.loc[bench.split["subset"] == "val", "subset"] = "train"
    of_labels = bench.train({"modalities": ["vision"], "baseline": "majority"}, "labels")
    assert (facts(of_labels)["badges"], facts(of_labels)["random_weights"]) == ([], [])
    folder = bench.train({"modalities": ["vision"], "baseline": "linear_svm"})
    badges = facts(folder)["badges"]
    assert badges[:2] == ["uncalibrated", "no validation subset: nothing chosen"]
    assert "vggface" in badges[2]
    assert facts(folder)["chosen_by"] == "cost 0.001, as set"
    experiment = asked({"modalities": ["vision"], "baseline": "linear_svm"})
    run = Run(experiment.cells[0].id, 0, 0, folder, facts(folder))
    assert row_notes(experiment, experiment.cells[0], [run], 1, 20) == ("cpu", "seeds<5", *badges)


def test_clips_without_the_feature_are_skipped_and_runs_reused(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    test = bench.split.loc[bench.split["subset"] == "test", "clip_id"].tolist()
    bench["functionals"].arrays[test[0]] = np.zeros((0, 3), dtype=np.float32)
    cell = {"modalities": ["audio"], "baseline": "majority"}
    folder = bench.train(cell)
    assert facts(folder)["skipped"] == {"functionals: failed, silent": 1}
    assert (facts(folder)["skipped_test"], facts(folder)["n"]["test"]) == (1, 17)
    capsys.readouterr()
    bench.train(cell, seeds=2)
    out = capsys.readouterr().out
    assert "seed 0: reused" in out
    assert "seed 1: nothing to choose, 17 clips tested" in out


def test_values_that_are_not_finite_or_no_numbers_are_named(bench: Bench) -> None:
    first = bench.split.loc[bench.split["subset"] == "train", "clip_id"].iloc[0]
    bench["functionals"].arrays[first][0, 1] = np.nan
    with pytest.raises(TrainingError, match=f"feature 'functionals' of clip '{first}' has values that are not finite"):
        bench.train({"modalities": ["audio"], "baseline": "linear_svm"})


def test_a_folder_without_a_baseline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no fitted baseline.*model\.json"):
        load_baseline(tmp_path)


def test_a_grid_of_a_baseline_is_chosen_by_uar_on_validation(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = FittedBaseline.probabilities

    def spy(self: FittedBaseline, clips: Any, without: str | None = None) -> np.ndarray:
        seen.append(len(clips))
        return real(self, clips, without)

    monkeypatch.setattr(FittedBaseline, "probabilities", spy)
    # Subsets of unequal size.
    bench.split.loc[bench.split[bench.split["subset"] == "test"].index[:1], "subset"] = "train"
    sizes = bench.split["subset"].value_counts()
    cell = {"modalities": ["vision"], "baseline": "linear_svm"}
    pools, costs = {"baseline_options.pool": ["mean", "mean_std"]}, {"baseline_options.costs": [[1e-5], [1e-2, 1e-1]]}
    run = json.loads((bench.train(cell | {"grid": costs}, "grid", grid=pools) / "run.json").read_text())
    assert seen == [sizes["val"]] * 4 + [sizes["val"], sizes["test"]]
    table = pd.read_csv(bench.folder / "grid" / "grid.csv")
    best = table.sort_values(["val_uar", "val_loss"], ascending=[False, True], kind="stable").iloc[0]
    assert run["grid"]["chosen"] == {
        "baseline_options.costs": json.loads(best["baseline_options.costs"]),
        "baseline_options.pool": best["baseline_options.pool"],
    }
    assert (run["grid"]["monitor"], run["grid"]["score"], run["grid"]["tried"]) == ("uar", best["val_uar"], 4)
    options = {name.removeprefix("baseline_options."): value for name, value in run["grid"]["chosen"].items()}
    plain = bench.train(cell | {"baseline_options": options}, "plain")
    for name in ("model.safetensors", "model.json", "history.csv", "predictions.parquet"):
        assert (bench.folder / "grid" / "0" / name).read_bytes() == (plain / name).read_bytes()
    val = pd.read_parquet(plain / "predictions.parquet").query("subset == 'val'")
    p = val[[f"p_{label}" for label in CLASSES]].to_numpy(np.float64)
    scores = evaluate(val["y"].tolist(), p, CLASSES)
    assert {name: best[f"val_{name}"] for name in ("loss", "uar", "accuracy")} == pytest.approx(
        {name: scores[name] for name in ("loss", "uar", "accuracy")}, rel=1e-5
    )
