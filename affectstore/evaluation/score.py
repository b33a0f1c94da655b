"""Predictions -> metrics: the only way from a run to a number.

One long table (design: `metric`): rows per (cell, fold, seed); pooled rows (fold -1), where the predictions of
all folds of one seed are counted together; and summary rows (fold -1, seed -1): mean and deviation of the pooled
values over seeds, with a confidence interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import IntegrityError
from affectstore.evaluation.base import measure
from affectstore.evaluation.bootstrap import DRAWS, RNG_SEED, intervals
from affectstore.evaluation.classes import classes_of
from affectstore.evaluation.predictions import probabilities, read_predictions, speakers_of, true_indices
from affectstore.evaluation.runs import Run, read_runs
from affectstore.evaluation.tally import Tally, tally

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
    draws: int = DRAWS,
    rng_seed: int = RNG_SEED,
) -> pd.DataFrame:
    """Score every run of an experiment from its predictions.

    Args:
        name: of the experiment.
        experiment: what was asked for.
        runs_dir: holds a folder per experiment ("results/runs").
        labels: labels of the corpus, in the order of its card.
        folds: folds of the protocol, for an experiment that names none.
        draws: resamples of the confidence intervals.
        rng_seed: seed of the resamples.

    Returns:
        Columns `COLUMNS`. `sd` (over seeds, n - 1), `ci_low` and `ci_high` are filled in summary rows alone; `n` is
        how many predictions a value rests on (per seed, in summary rows), `n_clips` and `n_speakers` how many
        different clips and speakers those are of, `n_skipped` how many clips the runs could not use.

    Raises:
        StoreError: runs or predictions are missing.
        IntegrityError: predictions cannot be scored, or seeds and cells disagree on what was tested.
    """
    classes = classes_of(experiment, labels)
    runs = read_runs(name, experiment, runs_dir, folds)
    rows: list[dict[str, Any]] = []
    truth: dict[str, str] = {}
    for cell in experiment.cells:
        own = [run for run in runs if run.cell == cell.id]
        frame = pd.concat(
            [read_predictions(r.folder / "predictions.parquet", classes, r.fold, r.seed) for r in own],
            ignore_index=True,
        )
        _check_truth(frame, truth, cell.id)
        for (subset, condition), part in frame.groupby(["subset", "condition"], sort=True):
            base = {"cell": cell.id, "subset": subset, "condition": condition}
            rows += [base | row for row in _score_part(part, own, classes, draws, rng_seed, base)]
    table = pd.DataFrame(rows).assign(experiment=name, label_target=experiment.label_target)
    return table[list(COLUMNS)].astype(COLUMNS)


def _check_truth(frame: pd.DataFrame, truth: dict[str, str], cell: str) -> None:
    """An instance has one true label, whatever the cell, fold and seed."""
    pairs = frame[["instance_id", "y"]].drop_duplicates()
    for instance, label in zip(pairs["instance_id"], pairs["y"], strict=True):
        if truth.setdefault(instance, label) != label:
            raise IntegrityError(
                f"instance {instance!r} is {truth[instance]} in one run and {label} in another (cell {cell!r}): "
                "the runs were made from different labels; train them again"
            )


def _score_part(
    part: pd.DataFrame,
    runs: Sequence[Run],
    classes: Sequence[str],
    draws: int,
    rng_seed: int,
    where: dict[str, Any],
) -> list[dict[str, Any]]:
    """Rows of one cell, subset and condition."""
    seeds = sorted({run.seed for run in runs})
    folds = sorted({run.fold for run in runs})
    clusters = pd.Categorical(speakers_of(part))
    groups = len(clusters.categories)
    counted: dict[tuple[int, int], Tally] = {}
    rows: list[dict[str, Any]] = []
    for run in runs:
        chosen = ((part["fold"] == run.fold) & (part["seed"] == run.seed)).to_numpy()
        own = part[chosen]
        if own.empty:
            raise IntegrityError(f"{run.folder / 'predictions.parquet'}: nothing for {where}, other runs have it")
        found = tally(
            true_indices(own, classes), probabilities(own, classes), clusters.codes[chosen].astype(np.int64), groups
        )
        counted[run.fold, run.seed] = found
        rows += _rows(found.sum(axis=0), classes, run.fold, run.seed, _counts(own, run.n_skipped))
    _check_same_units(part, where)
    skipped = max(run.n_skipped for run in runs)
    by_seed = [_add([counted[fold, seed] for fold in folds]) for seed in seeds]
    counts = _counts(part[part["seed"] == seeds[0]], skipped)
    for seed, found in zip(seeds, by_seed, strict=True):
        rows += _rows(found.sum(axis=0), classes, POOLED, seed, counts)
    tallies = Tally(np.stack([t.confusion for t in by_seed]), np.stack([t.loss_sum for t in by_seed]))
    bounds = intervals(tallies, classes, draws, rng_seed)
    for metric, values in measure(tallies.sum(axis=1), classes).items():
        deviation = float(np.std(values, ddof=1)) if len(seeds) > 1 else np.nan
        summary = {"sd": deviation, "ci_low": bounds[metric].low, "ci_high": bounds[metric].high}
        rows.append(
            {"fold": POOLED, "seed": POOLED, "metric": metric, "value": float(np.mean(values))} | counts | summary
        )
    return rows


def _rows(found: Tally, classes: Sequence[str], fold: int, seed: int, counts: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {"fold": fold, "seed": seed, "metric": metric, "value": float(value)} | counts
        for metric, value in measure(found, classes).items()
    ]


def _counts(frame: pd.DataFrame, n_skipped: int) -> dict[str, int]:
    return {
        "n": len(frame),
        "n_skipped": n_skipped,
        "n_clips": int(frame["clip_id"].nunique()),
        "n_speakers": int(speakers_of(frame).nunique()),
    }


def _add(tallies: Sequence[Tally]) -> Tally:
    return Tally(
        np.sum([t.confusion for t in tallies], axis=0),
        np.sum([t.loss_sum for t in tallies], axis=0),
    )


def _check_same_units(part: pd.DataFrame, where: dict[str, Any]) -> None:
    """All seeds of a fold are tried on the same instances, or their spread would not be the seeds'."""
    for fold, own in part.groupby("fold"):
        per_seed = {seed: frozenset(instances) for seed, instances in own.groupby("seed")["instance_id"]}
        if len(set(per_seed.values())) > 1:
            sizes = ", ".join(f"seed {seed!s}: {len(instances)}" for seed, instances in per_seed.items())
            raise IntegrityError(f"seeds of fold {fold} were tried on different clips ({where}; {sizes})")
