"""Which runs the metrics of an experiment were computed from: results/metrics/{experiment}.json."""

from __future__ import annotations

import json

from affectstore.config.experiment import Experiment
from affectstore.errors import StoreError
from affectstore.evaluation.places import metrics_path
from affectstore.files import write_atomic
from affectstore.preflight.cells import plan_cells
from affectstore.preflight.experiments import runs_digest


def current_runs_digest(name: str, experiment: Experiment, folds: tuple[int, ...]) -> str:
    """Digest of an experiment's runs as they are now.

    Raises:
        StoreError: a cell is not trained on one of the folds.
    """
    try:
        return runs_digest(experiment, tuple(plan_cells(name, experiment, folds)))
    except FileNotFoundError as error:
        raise StoreError(f"{error.filename} is missing: train the cells of {name} first") from None


def scored_runs_digest(name: str) -> str | None:
    """Digest of the runs that were scored; none where that is not known."""
    try:
        return json.loads(metrics_path(name).with_suffix(".json").read_text(encoding="utf-8"))["runs"]
    except (OSError, ValueError, KeyError):
        return None


def write_runs_digest(name: str, digest: str) -> None:
    """Say which runs were scored, after the metrics are written."""
    write_atomic(metrics_path(name).with_suffix(".json"), (json.dumps({"runs": digest}) + "\n").encode())
