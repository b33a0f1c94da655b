"""Training job of a cell and fold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from affectstore.config.experiment import Cell, Experiment
from affectstore.models.cells.parents import ParentRuns


@dataclass(frozen=True)
class TrainJob:
    """A cell and fold to train, all its seeds, and the paths and digests of its data.

    Attributes:
        experiment_name: Name of the experiment's file.
        experiment: The experiment; its `seeds` is the number of runs.
        cell: One of its cells.
        fold: Fold of the protocol.
        classes: Class labels, in the order of the tables.
        store: Folder of the corpus' store.
        split: The protocol's split, a Parquet file.
        out: Folder of the cell and fold; a folder per seed is made in it.
        digests: Digests of settings, split, labels and features; a complete run with the same ones is not trained
            again.
        keys: Digest of the clips' keys, kept in the marker for planning.
        parents: Id -> runs of the cells that this one starts or learns from.
        combinations: For a cell with a grid, the digest of the settings of each combination, in order.
        threads: CPU threads; None for the environment's.
        accelerator: Fabric's: "auto", "cpu", "cuda".
        processes: Number of processes on this machine that share every batch of a network, each on a GPU of its own or
            all on the CPU. Results are those of one process within rounding, except for random numbers that networks
            use (dropout, the noise of a ladder). A baseline uses one.
    """

    experiment_name: str
    experiment: Experiment
    cell: Cell
    fold: int
    classes: tuple[str, ...]
    store: Path
    split: Path
    out: Path
    digests: Mapping[str, str]
    keys: str = ""
    parents: Mapping[str, ParentRuns] = field(default_factory=dict)
    combinations: tuple[str, ...] = ()
    threads: int | None = None
    accelerator: str = "auto"
    processes: int = 1

    @property
    def where(self) -> str:
        """Name of the job in messages."""
        return f"{self.experiment_name}/{self.cell.id}/{self.fold}"
