"""Train a cell on a store in memory: a module to run, so that the processes that it starts run it too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import affectstore
from support.fake_store import make_experiment, make_split, make_store
from support.python import run_python
from support.training import train_cell


def train_in_processes(
    folder: Path, processes: int, cell: dict[str, Any], settings: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    """Train a cell into `folder`/out in another process, or in several that share every batch.

    Args:
        folder: Working folder.
        processes: Number of processes.
        cell: Cell of the experiment.
        settings: Other settings of the experiment.
    """
    arguments = (str(folder), str(processes), json.dumps(cell), json.dumps(settings))
    return run_python("-m", "support.train_script", *arguments, tests=True)


def train_here(folder: Path, processes: int, cell: dict[str, Any], settings: dict[str, Any]) -> None:
    """Train a cell into `folder`/out in this process and those that it starts."""
    store = make_store()
    make_split(store).to_parquet(folder / "split.parquet")
    experiment = make_experiment(cell, **settings)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(affectstore, "open", lambda _: store)
        train_cell(experiment, folder, digests={"config": "c"}, threads=1, processes=processes)


if __name__ == "__main__":
    train_here(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4]))
