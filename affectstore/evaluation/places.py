"""Paths of the results tree that evaluation reads and writes, relative to the working directory."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import StoreError

MANIFESTS = Path("results/manifests")
RUNS = Path("results/runs")
TABLES = Path("results/tables")
FIGURES = Path("results/figures")
REPORT = Path("results/report.html")


def metrics_path(name: str) -> Path:
    """Path of the metrics of an experiment."""
    return Path("results/metrics") / f"{name}.parquet"


def read_metrics(name: str) -> pd.DataFrame:
    """Read the metrics of an experiment.

    Raises:
        StoreError: The experiment was not scored yet.
    """
    path = metrics_path(name)
    if not path.is_file():
        raise StoreError(f"{path} is missing: `affectstore score --experiment {name}` makes it from the runs")
    return pd.read_parquet(path)


def unreadable(corpus: str) -> dict[str, int]:
    """Count the files of a corpus that its scan skipped: reason -> number of files."""
    path = MANIFESTS / f"{corpus}.skipped.tsv"
    if not path.is_file():
        return {}
    table = pd.read_csv(path, sep="\t", dtype="string", keep_default_na=False, quoting=csv.QUOTE_NONE)
    return {str(reason): int(count) for reason, count in table["reason"].value_counts().items()}


def protocol_folds(experiment: Experiment) -> tuple[int, ...] | None:
    """List the folds of an experiment's protocol; None without a split file."""
    path = Path("results/splits") / experiment.corpus / f"{experiment.protocol}.parquet"
    if not path.is_file():
        return None
    return tuple(sorted(int(fold) for fold in pd.read_parquet(path, columns=["fold"])["fold"].unique()))
