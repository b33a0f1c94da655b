"""Results of an experiment, read from the results folder."""

from __future__ import annotations

import csv

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.corpora.base import Card
from affectstore.errors import StoreError
from affectstore.evaluation.runs import Run, read_runs
from affectstore.evaluation.table import Table, build_table
from affectstore.paths import RESULTS


def read_results(name: str, experiment: Experiment, card: Card) -> tuple[Table, tuple[Run, ...]]:
    """Read the metrics and runs of an experiment, and collect its table.

    Args:
        name: Name of the experiment.
        experiment: Its configuration.
        card: Card of its corpus.

    Raises:
        StoreError: The experiment was not scored yet, or a run is missing.
    """
    path = RESULTS.metrics(name)
    if not path.is_file():
        raise StoreError(f"{path} is missing: `affectstore score --experiment {name}` makes it from the runs")
    folds = protocol_folds(experiment)
    runs = read_runs(name, experiment, RESULTS.runs, folds)
    num_folds = None if folds is None else len(folds)
    skipped = skipped_by_scan(experiment.corpus)
    return build_table(name, experiment, card, pd.read_parquet(path), runs, num_folds, skipped), tuple(runs)


def skipped_by_scan(corpus: str) -> dict[str, int]:
    """Reason -> number of files and clips of a corpus that its scan left out."""
    path = RESULTS.skipped(corpus)
    if not path.is_file():
        return {}
    table = pd.read_csv(path, sep="\t", dtype="string", keep_default_na=False, quoting=csv.QUOTE_NONE)
    return {str(reason): int(count) for reason, count in table["reason"].value_counts().items()}


def protocol_folds(experiment: Experiment) -> tuple[int, ...] | None:
    """List the folds of an experiment's protocol; None without a split file."""
    path = RESULTS.split(experiment.corpus, experiment.protocol)
    if not path.is_file():
        return None
    return tuple(sorted(int(fold) for fold in pd.read_parquet(path, columns=["fold"])["fold"].unique()))
