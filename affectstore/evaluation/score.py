"""Compute metrics from predictions: the only path from test predictions to a number in a table.

One long table (column `metric`) with rows per cell, fold and seed; pooled rows (fold -1) over the predictions of all
folds of one seed; and summary rows (fold -1, seed -1) with mean and standard deviation of the pooled values over seeds
and a confidence interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import IntegrityError
from affectstore.evaluation.bootstrap import RESAMPLES, RNG_SEED, intervals
from affectstore.evaluation.classes import classes_of
from affectstore.evaluation.confusion_counts import ConfusionCounts, count_predictions
from affectstore.evaluation.metrics import measure
from affectstore.evaluation.predictions import probabilities, read_predictions, speakers_of, true_indices
from affectstore.evaluation.runs import Run, read_runs

POOLED = -1
#: Types of the columns of results/metrics/{experiment}.parquet.
COLUMNS = {
    "experiment": "string",
    "cell": "string",
    "fold": "int64",
    "seed": "int64",
    "subset": "string",
    "condition": "string",
    "label_target": "string",
    "metric": "string",
    "value": "float64",
    "n": "int64",
    "n_skipped": "int64",
    "sd": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "n_clips": "int64",
    "n_speakers": "int64",
}


def score(
    name: str,
    experiment: Experiment,
    runs_dir: Path,
    labels: Sequence[str],
    folds: Sequence[int] | None = None,
    resamples: int = RESAMPLES,
    rng_seed: int = RNG_SEED,
) -> pd.DataFrame:
    """Score every run of an experiment from its predictions.

    Args:
        name: Name of the experiment.
        experiment: Its configuration.
        runs_dir: Folder with one folder per experiment ("results/runs").
        labels: Labels of the corpus, in the order of its card.
        folds: Folds of the protocol, for an experiment that names none.
        resamples: Number of resamples of the confidence intervals.
        rng_seed: Seed of the resamples.

    Returns:
        Columns `COLUMNS`. `sd` (over seeds, n - 1), `ci_low` and `ci_high` are filled in summary rows alone. `n` is the
        number of predictions behind a value (per seed in summary rows), `n_clips` and `n_speakers` are the numbers of
        their clips and speakers, `n_skipped` is the number of clips that the runs could not use.

    Raises:
        StoreError: Runs or predictions are missing.
        IntegrityError: Predictions are invalid, or seeds or cells disagree on the test instances.
    """
    classes = classes_of(experiment, labels)
    runs = read_runs(name, experiment, runs_dir, folds)
    rows: list[dict[str, Any]] = []
    label_of: dict[str, str] = {}
    for cell in experiment.cells:
        own = [run for run in runs if run.cell == cell.id]
        frame = pd.concat(
            [read_predictions(r.folder / "predictions.parquet", classes, r.fold, r.seed) for r in own],
            ignore_index=True,
        )
        _check_same_labels(frame, label_of, cell.id)
        for (subset, condition), part in frame.groupby(["subset", "condition"], sort=True):
            part_of = {"cell": cell.id, "subset": subset, "condition": condition}
            rows += [part_of | row for row in _score_part(part, own, classes, resamples, rng_seed, part_of)]
    table = pd.DataFrame(rows).assign(experiment=name, label_target=experiment.label_target)
    return table[list(COLUMNS)].astype(COLUMNS)


def _check_same_labels(frame: pd.DataFrame, label_of: dict[str, str], cell: str) -> None:
    """Refuse an instance with another true label than in a run read before."""
    pairs = frame[["instance_id", "y"]].drop_duplicates()
    for instance, label in zip(pairs["instance_id"], pairs["y"], strict=True):
        if label_of.setdefault(instance, label) != label:
            raise IntegrityError(
                f"instance {instance!r} is {label_of[instance]} in one run and {label} in another (cell {cell!r}): "
                "the runs were made from different labels; train them again"
            )


def _score_part(
    part: pd.DataFrame,
    runs: Sequence[Run],
    classes: Sequence[str],
    resamples: int,
    rng_seed: int,
    part_of: dict[str, Any],
) -> list[dict[str, Any]]:
    """Score one cell under one subset and condition: rows of runs, pooled rows and summary rows."""
    seeds = sorted({run.seed for run in runs})
    folds = sorted({run.fold for run in runs})
    speakers = pd.Categorical(speakers_of(part))
    counts: dict[tuple[int, int], ConfusionCounts] = {}
    rows: list[dict[str, Any]] = []
    for run in runs:
        chosen = ((part["fold"] == run.fold) & (part["seed"] == run.seed)).to_numpy()
        own = part[chosen]
        if own.empty:
            raise IntegrityError(f"{run.folder / 'predictions.parquet'}: nothing for {part_of}, other runs have it")
        counts[run.fold, run.seed] = found = count_predictions(
            true_indices(own, classes),
            probabilities(own, classes),
            speakers.codes[chosen].astype(np.int64),
            len(speakers.categories),
        )
        rows += _rows(found.sum(axis=0), classes, run.fold, run.seed, _extent(own, run.n_skipped))
    _check_same_instances(part, part_of)
    by_seed = [ConfusionCounts.stack([counts[fold, seed] for fold in folds]).sum(axis=0) for seed in seeds]
    extent = _extent(part[part["seed"] == seeds[0]], max(run.n_skipped for run in runs))
    for seed, found in zip(seeds, by_seed, strict=True):
        rows += _rows(found.sum(axis=0), classes, POOLED, seed, extent)
    every = ConfusionCounts.stack(by_seed)
    bounds = intervals(every, classes, resamples, rng_seed)
    for metric, values in measure(every.sum(axis=1), classes).items():
        sd = float(np.std(values, ddof=1)) if len(seeds) > 1 else np.nan
        summary = {"sd": sd, "ci_low": bounds[metric].low, "ci_high": bounds[metric].high}
        rows.append(
            {"fold": POOLED, "seed": POOLED, "metric": metric, "value": float(np.mean(values))} | extent | summary
        )
    return rows


def _rows(
    counts: ConfusionCounts, classes: Sequence[str], fold: int, seed: int, extent: dict[str, int]
) -> list[dict[str, Any]]:
    return [
        {"fold": fold, "seed": seed, "metric": metric, "value": float(value)} | extent
        for metric, value in measure(counts, classes).items()
    ]


def _extent(frame: pd.DataFrame, n_skipped: int) -> dict[str, int]:
    """Numbers of predictions, clips and speakers behind a value."""
    return {
        "n": len(frame),
        "n_skipped": n_skipped,
        "n_clips": int(frame["clip_id"].nunique()),
        "n_speakers": int(speakers_of(frame).nunique()),
    }


def _check_same_instances(part: pd.DataFrame, part_of: dict[str, Any]) -> None:
    """Refuse seeds of a fold that were tested on different instances: their spread would not be that of the seeds."""
    for fold, own in part.groupby("fold"):
        per_seed = {seed: frozenset(instances) for seed, instances in own.groupby("seed")["instance_id"]}
        if len(set(per_seed.values())) > 1:
            sizes = ", ".join(f"seed {seed!s}: {len(instances)}" for seed, instances in per_seed.items())
            raise IntegrityError(f"seeds of fold {fold} were tried on different clips ({part_of}; {sizes})")
