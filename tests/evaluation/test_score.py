"""Scores of a tree of runs: numbers, intervals and errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from affectstore.errors import IntegrityError, StoreError
from affectstore.evaluation.bootstrap import intervals
from affectstore.evaluation.confusion_counts import ConfusionCounts
from affectstore.evaluation.score import COLUMNS, score

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
CELL = "resnet18-audio"


def file_of(runs_dir: Path, fold: int = 0, seed: int = 0, cell: str = CELL) -> Path:
    return runs_dir / "demo" / cell / str(fold) / str(seed) / "predictions.parquet"


def change(path: Path, edit) -> None:
    frame = pd.read_parquet(path)
    edited = edit(frame)
    (frame if edited is None else edited).to_parquet(path)


def by_scikit_learn(frame: pd.DataFrame) -> dict[str, float]:
    p = frame[[f"p_{label}" for label in LABELS]].to_numpy()
    guess = np.array(LABELS)[p.argmax(axis=1)]
    return {
        "accuracy": sk.accuracy_score(frame["y"], guess),
        "uar": sk.balanced_accuracy_score(frame["y"], guess),
        "macro_f1": sk.f1_score(frame["y"], guess, average="macro", labels=sorted(set(frame["y"]))),
        "loss": sk.log_loss(frame["y"], p, labels=LABELS),
        "recall:HAP": sk.recall_score(frame["y"], guess, average=None, labels=["HAP"])[0],
    }


def test_every_level_agrees_with_scikit_learn(runs_dir: Path, experiment) -> None:
    table = score("demo", experiment, runs_dir, LABELS, resamples=20)
    assert list(table.columns) == list(COLUMNS)
    indexed = table.set_index(["cell", "subset", "condition", "fold", "seed", "metric"])["value"]
    for cell in (experiment.cells[0], experiment.cells[2]):
        every = pd.concat([pd.read_parquet(file_of(runs_dir, f, s, cell.id)) for f in (0, 1) for s in range(3)])
        for (subset, condition), part in every.groupby(["subset", "condition"]):
            where = (cell.id, subset, condition)
            for (fold, seed), one in part.groupby(["fold", "seed"]):
                for metric, value in by_scikit_learn(one).items():
                    assert indexed[(*where, fold, seed, metric)] == pytest.approx(value, abs=1e-6)
            pooled = {seed: by_scikit_learn(one) for seed, one in part.groupby("seed")}
            for metric in pooled[0]:
                values = [pooled[seed][metric] for seed in range(3)]
                for seed in range(3):
                    assert indexed[(*where, -1, seed, metric)] == pytest.approx(values[seed], abs=1e-6)
                assert indexed[(*where, -1, -1, metric)] == pytest.approx(np.mean(values), abs=1e-6)
                row = table[
                    (table["cell"] == cell.id)
                    & (table["subset"] == subset)
                    & (table["condition"] == condition)
                    & (table["seed"] == -1)
                    & (table["metric"] == metric)
                ].iloc[0]
                assert row["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)


def test_counts(runs_dir: Path, experiment) -> None:
    table = score("demo", experiment, runs_dir, LABELS, resamples=20)
    summary = table[(table["seed"] == -1) & (table["subset"] == "test")]
    assert set(summary["n"]) == {96}
    assert set(summary["n_clips"]) == {96}
    assert set(summary["n_speakers"]) == {8}
    assert set(summary["n_skipped"]) == {3}
    assert table.loc[table["seed"] >= 0, ["sd", "ci_low", "ci_high"]].isna().all().all()
    assert set(table["label_target"]) == {"intended"}


def test_the_same_predictions_give_the_same_table(runs_dir: Path, experiment) -> None:
    first, second = (score("demo", experiment, runs_dir, LABELS, resamples=50) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_one_seed_has_no_deviation_but_an_interval(tmp_path: Path, make_experiment, make_runs) -> None:
    experiment = make_experiment(seeds=1)
    table = score("demo", experiment, make_runs(tmp_path, "demo", experiment), LABELS)
    summary = table[(table["seed"] == -1) & (table["metric"] == "uar")]
    assert summary["sd"].isna().all()
    assert (summary["ci_low"] <= summary["value"]).all()
    assert (summary["value"] <= summary["ci_high"]).all()


def test_intervals_cover_what_they_should() -> None:
    # 40 speakers with their own accuracies around 0.6: the interval must cover the spread between speakers.
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(60):
        skill = np.clip(rng.normal(0.6, 0.15, 40), 0, 1)
        hits = rng.binomial(10, skill)
        confusion = np.zeros((1, 40, 2, 2))
        confusion[0, :, 0, 0], confusion[0, :, 0, 1] = hits, 10 - hits
        interval = intervals(ConfusionCounts(confusion, np.zeros((1, 40))), ("x", "y"), resamples=400)["accuracy"]
        covered += interval.low <= 0.6 <= interval.high
    assert covered >= 52


def test_intervals_of_a_constant_are_that_constant() -> None:
    confusion = np.tile(np.diag([3.0, 2.0]), (2, 5, 1, 1))
    found = intervals(ConfusionCounts(confusion, np.full((2, 5), 1.0)), ("x", "y"), resamples=100)
    assert (found["uar"].low, found["uar"].high) == (1.0, 1.0)
    assert found["loss"].low == pytest.approx(0.2)


def test_intervals_widen_with_the_spread_of_seeds() -> None:
    def accuracies(*hits: int) -> ConfusionCounts:
        confusion = np.zeros((len(hits), 6, 2, 2))
        for seed, count in enumerate(hits):
            confusion[seed, :, 0, 0], confusion[seed, :, 0, 1] = count, 10 - count
        return ConfusionCounts(confusion, np.zeros((len(hits), 6)))

    narrow = intervals(accuracies(5, 5, 5), ("x", "y"))["accuracy"]
    wide = intervals(accuracies(2, 5, 8), ("x", "y"))["accuracy"]
    assert (narrow.low, narrow.high) == (0.5, 0.5)
    assert wide.low == pytest.approx(0.2)
    assert wide.high == pytest.approx(0.8)


def refuse(runs_dir: Path, experiment, match: str, kind: type[Exception] = IntegrityError) -> None:
    with pytest.raises(kind, match=match):
        score("demo", experiment, runs_dir, LABELS, resamples=5)


def test_a_clip_twice_is_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: pd.concat([f, f.iloc[[0]]]))
    refuse(runs_dir, experiment, "more than once")


def test_a_clip_twice_under_other_instance_names_is_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: pd.concat([f, f.iloc[[0]].assign(instance_id="another")]))
    refuse(runs_dir, experiment, "more than once")


def test_a_clip_in_two_subsets_is_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: pd.concat([f, f[f["subset"] == "val"].iloc[[0]].assign(subset="test")]))
    refuse(runs_dir, experiment, "several subsets")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.9, -0.5])
def test_invalid_probabilities_are_refused(runs_dir: Path, experiment, value: float) -> None:
    def edit(frame: pd.DataFrame) -> None:
        frame.iloc[3, frame.columns.get_loc("p_DIS")] = value

    change(file_of(runs_dir), edit)
    refuse(runs_dir, experiment, "probabilities of 1 of")


def test_unknown_and_missing_labels_are_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: f.assign(y=["JOY", *f["y"].iloc[1:]]))
    refuse(runs_dir, experiment, "unknown y JOY.*ANG")


def test_an_empty_label_is_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: f.assign(y=[None, *f["y"].iloc[1:]]))
    refuse(runs_dir, experiment, "unknown y")


def test_classes_in_another_order_are_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: f[[*f.columns[:-2], f.columns[-1], f.columns[-2]]])
    refuse(runs_dir, experiment, "in this order")


def test_a_missing_column_is_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir), lambda f: f.drop(columns="speaker"))
    refuse(runs_dir, experiment, "no column speaker")


@pytest.mark.parametrize("column", ["fold", "seed"])
def test_predictions_of_another_run_are_refused(runs_dir: Path, experiment, column: str) -> None:
    change(file_of(runs_dir), lambda f: f.assign(**{column: 9}))
    refuse(runs_dir, experiment, f"unknown {column} 9")


def test_a_label_that_differs_between_runs_is_refused(runs_dir: Path, experiment) -> None:
    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        first = frame["instance_id"] == frame["instance_id"].iloc[0]
        was = frame["y"].iloc[0]
        return frame.assign(y=frame["y"].mask(first, "SAD" if was != "SAD" else "ANG"))

    change(file_of(runs_dir, seed=1), edit)
    refuse(runs_dir, experiment, "in one run and .* in another")


def test_seeds_with_other_clips_are_refused(runs_dir: Path, experiment) -> None:
    change(file_of(runs_dir, seed=1), lambda f: f.iloc[1:])
    refuse(runs_dir, experiment, "tried on different clips")


def test_a_missing_seed_is_named(runs_dir: Path, experiment) -> None:
    shutil.rmtree(file_of(runs_dir, fold=1, seed=2).parent)
    refuse(runs_dir, experiment, r"1 are missing: .*resnet18-audio/1/2", StoreError)


def test_a_missing_fold_is_named_also_where_the_experiment_names_none(
    tmp_path: Path, make_experiment, make_runs
) -> None:
    experiment = make_experiment(folds=())
    runs_dir = make_runs(tmp_path, "demo", experiment)
    with pytest.raises(StoreError, match="12 are missing"):
        score("demo", experiment, runs_dir, LABELS, folds=(0, 1, 2))
    shutil.rmtree(runs_dir / "demo" / CELL / "1")
    with pytest.raises(StoreError, match="3 are missing"):
        score("demo", experiment, runs_dir, LABELS)


def test_missing_and_broken_predictions_are_named(runs_dir: Path, experiment) -> None:
    file_of(runs_dir).write_bytes(b"PAR1 not really")
    refuse(runs_dir, experiment, "cannot be read", StoreError)
    file_of(runs_dir).unlink()
    refuse(runs_dir, experiment, "is missing", StoreError)


def test_runs_beyond_the_experiment_are_left_alone(runs_dir: Path, experiment, make_experiment) -> None:
    fewer = make_experiment(seeds=2, folds=(1,), cells=experiment.cells[:1])
    table = score("demo", fewer, runs_dir, LABELS, resamples=5)
    assert set(table["cell"]) == {CELL}
    assert set(table["fold"]) == {-1, 1}
    assert set(table["seed"]) == {-1, 0, 1}


def test_clips_without_a_speaker_are_speakers_of_their_own(runs_dir: Path, experiment) -> None:
    for fold in (0, 1):
        for seed in range(3):
            change(file_of(runs_dir, fold, seed), lambda f: f.assign(speaker=None))
    table = score("demo", experiment, runs_dir, LABELS, resamples=5)
    own = table[(table["cell"] == CELL) & (table["seed"] == -1) & (table["subset"] == "test")]
    assert set(own["n_speakers"]) == {96}


def test_a_run_in_the_folder_of_another_is_refused(runs_dir: Path, experiment) -> None:
    folder = file_of(runs_dir).parent
    shutil.copy(file_of(runs_dir, seed=1).parent / "run.json", folder / "run.json")
    refuse(runs_dir, experiment, "seed is 1, its folder says 0")
