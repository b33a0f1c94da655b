"""What a run says of itself: run.json and history.csv under results/runs/{experiment}/{cell}/{fold}/{seed}/."""

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


@dataclass(frozen=True)
class Run:
    """One cell trained on one fold with one seed.

    Attributes:
        cell: id of the cell.
        fold, seed: as in the path.
        folder: holds predictions.parquet, history.csv and run.json.
        facts: run.json.
    """

    cell: str
    fold: int
    seed: int
    folder: Path
    facts: Mapping[str, Any]

    @property
    def skipped(self) -> dict[str, int]:
        """Reason -> how many clips of the experiment this run could not use."""
        return {str(reason): int(count) for reason, count in (self.facts.get("skipped") or {}).items()}

    @property
    def excluded(self) -> dict[str, int]:
        """Reason -> how many clips the split, the label target or the selection leaves out."""
        return {str(reason): int(count) for reason, count in (self.facts.get("excluded") or {}).items()}

    @property
    def n_skipped(self) -> int:
        """How many clips of the experiment this run could not use."""
        return sum(self.skipped.values())

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch; empty for a cell that is not trained in epochs."""
        path = self.folder / "history.csv"
        try:
            return pd.read_csv(path)
        except (FileNotFoundError, pd.errors.EmptyDataError):
            return pd.DataFrame({"epoch": []})


def read_runs(name: str, experiment: Experiment, runs_dir: Path, folds: Sequence[int] | None = None) -> tuple[Run, ...]:
    """Every run that an experiment asks for, by cell, fold and seed.

    Args:
        name: of the experiment.
        experiment: its cells, seeds and, where it names them, folds.
        runs_dir: holds a folder per experiment ("results/runs").
        folds: folds of the protocol, for an experiment that names none; by default all that any cell has.

    Raises:
        StoreError: a fold or seed of a cell is missing, or run.json cannot be read.
        IntegrityError: run.json is of another cell, fold or seed than its folder says.
    """
    root = Path(runs_dir) / name
    wanted = experiment.folds or tuple(folds or ()) or folds_found(root, experiment)
    if not wanted:
        raise StoreError(f"no runs of experiment {name!r} under {root}; train its cells first")
    places = [
        (cell.id, fold, seed, root / cell.id / str(fold) / str(seed))
        for cell in experiment.cells
        for fold in wanted
        for seed in range(experiment.seeds)
    ]
    missing = [folder for *_, folder in places if not (folder / "run.json").is_file()]
    if missing:
        shown = ", ".join(str(folder) for folder in missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise StoreError(
            f"experiment {name!r} asks for {len(places)} runs ({len(experiment.cells)} cells, folds "
            f"{', '.join(map(str, wanted))}, {experiment.seeds} seeds); {len(missing)} are missing: {shown}"
        )
    return tuple(Run(cell, fold, seed, folder, _facts(folder, cell, fold, seed)) for cell, fold, seed, folder in places)


def folds_found(root: Path, experiment: Experiment) -> tuple[int, ...]:
    """Folds that any cell of an experiment has below `root`."""
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
