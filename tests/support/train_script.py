"""Train a cell on a synthetic store; a script, so that the processes that are started can run it too."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def makers() -> Any:
    """tests/models/conftest.py as a module."""
    path = Path(__file__).parents[1] / "models" / "conftest.py"
    spec = importlib.util.spec_from_file_location("makers", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["makers"] = module
    spec.loader.exec_module(module)
    return module


def main(folder: Path, processes: int, cell: dict[str, Any], settings: dict[str, Any]) -> None:
    """Train into `folder`/out."""
    import affectstore
    from affectstore.models.cells.job import TrainJob
    from affectstore.models.train_fold import train_fold
    from affectstore.preflight.cells import combination_digests

    made = makers()
    store = made.make_store()
    affectstore.open = lambda _: store
    made.make_split(store).to_parquet(folder / "split.parquet")
    experiment = made.make_experiment(cell, **settings)
    job = TrainJob(
        experiment_name="test",
        experiment=experiment,
        cell=experiment.cells[0],
        fold=0,
        classes=made.CLASSES,
        store=folder,
        split=folder / "split.parquet",
        out=folder / "out",
        digests={"config": "c"},
        combinations=combination_digests(experiment, experiment.cells[0]),
        threads=1,
        accelerator="cpu",
        processes=processes,
    )
    train_fold(job)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4]))
