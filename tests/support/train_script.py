"""Train a cell on a made-up store; run as a script, so that the processes that are started can run it too."""

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
    from affectstore.models.engine.train import train_fold
    from affectstore.preflight.cells import combination_digests

    made = makers()
    store = made.make_store()
    affectstore.open = lambda _: store
    made.make_split(store).to_parquet(folder / "split.parquet")
    experiment = made.make_experiment(cell, **settings)
    train_fold(
        experiment=experiment,
        experiment_name="test",
        cell=experiment.cells[0],
        fold=0,
        classes=made.CLASSES,
        store_root=folder,
        split_path=folder / "split.parquet",
        out=folder / "out",
        digests={"config": "c"},
        threads=1,
        accelerator="cpu",
        processes=processes,
        combinations=combination_digests(experiment, experiment.cells[0]),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4]))
