"""Train cells of an experiment on fold 0, and read the files of their runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from affectstore.config.experiment import Experiment
from support.fake_store import CLASSES, FakeStore

#: Digests of a job, of those that the preflight plans.
DIGESTS = {"config": "c", "split": "s", "features": "f"}


def training(**changes: Any) -> dict[str, Any]:
    """Settings of a short training."""
    return {"learning_rate": 1e-2, "batch_size": 5, "epochs": 4} | changes


def history(run: Path) -> pd.DataFrame:
    """Read the epochs of a run."""
    return pd.read_csv(run / "history.csv")


def facts(run: Path) -> dict[str, Any]:
    """Read the facts of a run."""
    return json.loads((run / "run.json").read_text())


def train_cell(experiment: Experiment, folder: Path, out: str = "out", **changes: Any) -> Path:
    """Train an experiment's first cell on the split `folder`/split.parquet into `folder`/`out`.

    Args:
        experiment: Experiment of the cell.
        folder: Working folder, and the root of the store.
        out: Name of the folder of the trained cell.
        changes: Other fields of `TrainJob`, such as `cell`.

    Returns:
        The folder of the first seed.
    """
    from affectstore.models.cells.job import TrainJob
    from affectstore.models.train_fold import train_fold
    from affectstore.preflight.cells import combination_digests

    cell = changes.get("cell", experiment.cells[0])
    fields: dict[str, Any] = {
        "experiment_name": "test",
        "experiment": experiment,
        "cell": cell,
        "fold": 0,
        "classes": CLASSES,
        "store": folder,
        "split": folder / "split.parquet",
        "out": folder / out,
        "digests": DIGESTS,
        "combinations": combination_digests(experiment, cell),
        "accelerator": "cpu",
    }
    train_fold(TrainJob(**fields | changes))
    return folder / out / "0"


@contextmanager
def interrupted_in_step(number: int) -> Iterator[None]:
    """Interrupt the training inside the context in its step of this number; the first is 0."""
    from affectstore.models.training.trainer import Trainer

    train_step, steps = Trainer.train_step, count()

    def train_or_stop(*args: Any) -> None:
        if next(steps) == number:
            raise KeyboardInterrupt
        train_step(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trainer, "train_step", train_or_stop)
        with pytest.raises(KeyboardInterrupt):
            yield


@dataclass
class Bench:
    """A store, a split of it and a folder, in which experiments are trained."""

    store: FakeStore
    split: pd.DataFrame
    folder: Path

    def train(self, experiment: Experiment, out: str = "out", digests: Mapping[str, str] = DIGESTS) -> Path:
        """Train the experiment's one cell; return the folder of its first seed."""
        self.split.to_parquet(self.folder / "split.parquet")
        return train_cell(experiment, self.folder, out, digests=digests)
