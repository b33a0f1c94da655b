"""Runs of an experiment: run.json and history.csv under results/runs/{experiment}/{cell}/{fold}/{seed}/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import IntegrityError, StoreError

#: Bumped when the same predictions would be scored differently: every experiment is then scored again.
SCORING_VERSION = 1


@dataclass(frozen=True)
class Run:
    """One cell trained on one fold with one seed.

    Attributes:
        cell: Id of the cell.
        fold, seed: Fold and seed, as in the path.
        folder: Folder with predictions.parquet, history.csv and run.json.
        facts: Content of run.json.
    """

    cell: str
    fold: int
    seed: int
    folder: Path
    facts: Mapping[str, Any]

    @property
    def skipped(self) -> dict[str, int]:
        """Clips of the experiment that this run could not use: reason -> number."""
        return {str(reason): int(count) for reason, count in (self.facts.get("skipped") or {}).items()}

    @property
    def excluded(self) -> dict[str, int]:
        """Clips that the split, the label target or the selection excludes: reason -> number."""
        return {str(reason): int(count) for reason, count in (self.facts.get("excluded") or {}).items()}

    @property
    def n_skipped(self) -> int:
        """Number of clips of the experiment that this run could not use."""
        return sum(self.skipped.values())

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training history, one row per epoch; empty for a cell that is not trained in epochs."""
        path = self.folder / "history.csv"
        try:
            return pd.read_csv(path)
        except (FileNotFoundError, pd.errors.EmptyDataError):
            return pd.DataFrame({"epoch": []})


def read_runs(name: str, experiment: Experiment, runs_dir: Path, folds: Sequence[int] | None = None) -> tuple[Run, ...]:
    """Read every run of an experiment, ordered by cell, fold and seed.

    Args:
        name: Name of the experiment.
        experiment: Its configuration.
        runs_dir: Folder with one folder per experiment ("results/runs").
        folds: Folds of the protocol, for an experiment that names none; by default all that any cell has.

    Raises:
        StoreError: A fold or seed of a cell is missing, or run.json is unreadable.
        IntegrityError: run.json names another cell, fold or seed than its path.
    """
    root = Path(runs_dir) / name
    wanted = experiment.folds or tuple(folds or ()) or folds_found(root, experiment)
    if not wanted:
        raise StoreError(f"no runs of experiment {name!r} under {root}; train its cells first")
    wanted_runs = [
        (cell.id, fold, seed, root / cell.id / str(fold) / str(seed))
        for cell in experiment.cells
        for fold in wanted
        for seed in range(experiment.seeds)
    ]
    missing = [folder for *_, folder in wanted_runs if not (folder / "run.json").is_file()]
    if missing:
        shown = ", ".join(str(folder) for folder in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise StoreError(
            f"experiment {name!r} asks for {len(wanted_runs)} runs ({len(experiment.cells)} cells, folds "
            f"{', '.join(map(str, wanted))}, {experiment.seeds} seeds); {len(missing)} are missing: {shown}"
        )
    return tuple(
        Run(cell, fold, seed, folder, _facts(folder, cell, fold, seed)) for cell, fold, seed, folder in wanted_runs
    )


def folds_found(root: Path, experiment: Experiment) -> tuple[int, ...]:
    """List the folds that any cell of an experiment has below `root`."""
    found = {int(path.name) for cell in experiment.cells for path in root.glob(f"{cell.id}/*") if path.name.isdigit()}
    return tuple(sorted(found))


def _facts(folder: Path, cell: str, fold: int, seed: int) -> dict[str, Any]:
    path = folder / "run.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete its folder and train again") from error
    for key, expected in (("cell", cell), ("fold", fold), ("seed", seed)):
        if key in facts and facts[key] != expected:
            raise IntegrityError(f"{path}: {key} is {facts[key]!r}, its folder says {expected!r}")
    return facts
