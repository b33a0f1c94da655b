"""Contract between the job of a cell and fold, and the runs of networks and baselines that it consists of."""

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from affectstore.config.experiment import Cell

T = TypeVar("T")


class SeedRunner(abc.ABC):
    """Run seeds of a cell on one fold, whose data are loaded.

    Attributes:
        is_global_zero: This process writes; others help it train.
    """

    is_global_zero = True

    @abc.abstractmethod
    def run(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Train and predict one seed, and write its folder; run.json last.

        Args:
            cell: The cell, or a combination of its grid.
            seed: The seed.
            folder: Folder of the run.
            digests: Digests of its settings and data.

        Returns:
            Facts in run.json; None in processes that only help the first one.
        """

    @abc.abstractmethod
    def trial(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Train one seed without predictions, and add its scores on the validation subset as "validation" to
        run.json.
        """

    @abc.abstractmethod
    def predict(self, cell: Cell, seed: int, folder: Path) -> Mapping[str, Any]:
        """Predict with what was trained into a folder, and write the predictions; further facts for run.json."""

    @abc.abstractmethod
    def log_line(self, facts: Mapping[str, Any]) -> str:
        """Text of a log line about a run's facts."""

    def broadcast(self, value: T) -> T:
        """Value of the first process, in all processes."""
        return value
