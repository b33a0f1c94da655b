"""Every encoder and every fusion is trained from a store, predicts, and is saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support.model_cells import ALONE, IMAGES, THREE, Cell, name_of
from support.tiny_store import CLASSES, write_store
from support.training import train_cell

from affectstore.config.experiment import Experiment
from affectstore.evaluation.predictions import read_predictions
from affectstore.models.cells.parents import read_parent
from affectstore.models.network import Network
from affectstore.models.spec import ENCODERS, FUSIONS
from affectstore.models.training.saved_model import load_model

DIGESTS = {"config": "c", "split": "s", "labels": "l", "features": "f"}
#: Every encoder alone, and every fusion of three modalities on the smallest encoder that fits it.
CELLS = [*ALONE, *{cell["fusion"]: cell for cell in THREE}.values()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store; its split is beside it."""
    root = tmp_path_factory.mktemp("tiny") / "store"
    write_store(root)
    return root


def train(store: Path, experiment: Experiment, name: str, out: Path) -> Path:
    """Train one cell on the one fold, after the cells that it learns from; the folder of its first seed."""
    cell = next(cell for cell in experiment.cells if cell.id == name)
    for teacher in cell.teachers.values():
        train(store, experiment, teacher, out)
    parents = {teacher: read_parent(teacher, out / teacher, DIGESTS, name) for teacher in cell.teachers.values()}
    split = store.parent / "split.parquet"
    return train_cell(experiment, out, name, cell=cell, store=store, split=split, digests=DIGESTS, parents=parents)


def experiment_of(cell: Cell) -> Experiment:
    """An experiment of the cell, and of the cells that it learns from."""
    cells = [cell]
    if "fusion" in cell and FUSIONS.load(cell["fusion"]).SPEC.needs_teachers:
        teacher = {name: cell[name] for name in ("encoder", "encoder_options")}
        cells += [{**teacher, "modalities": [modality], "name": f"{modality}-alone"} for modality in cell["modalities"]]
        cells[0] = {**cell, "teachers": {modality: f"{modality}-alone" for modality in cell["modalities"]}}
    training = {"batch_size": 4, "epochs": 2, "learning_rate": 1e-2}
    return Experiment(title="t", corpus="synthetic", seeds=1, cells=cells, images=IMAGES, train=training)


def test_every_encoder_and_every_fusion_is_here() -> None:
    assert {cell["encoder"] for cell in ALONE} == set(ENCODERS.names())
    assert {cell["fusion"] for cell in CELLS if "fusion" in cell} == set(FUSIONS.names())


@pytest.mark.parametrize("cell", CELLS, ids=name_of)
def test_it_is_trained_from_a_store_and_predicts(cell: Cell, store: Path, tmp_path: Path) -> None:
    experiment = experiment_of(cell)
    folder = train(store, experiment, experiment.cells[0].id, tmp_path)
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 2
    assert np.isfinite(history.select_dtypes("number")).all(axis=None)
    predictions = read_predictions(folder / "predictions.parquet", CLASSES, fold=0, seed=0)
    without = [f"no_{modality}" for modality in cell["modalities"] if len(cell["modalities"]) > 1]
    counts = predictions.groupby(["subset", "condition"]).size().to_dict()
    assert counts == {("val", "full"): 3, ("test", "full"): 3, **{("test", condition): 3 for condition in without}}
    p = predictions[[f"p_{label}" for label in CLASSES]].to_numpy()
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    trained, _ = load_model(folder)
    torch.manual_seed(0)
    initial = dict(Network(trained.recipe).named_parameters())
    moved = {name.split(".")[0] for name, value in trained.named_parameters() if not torch.equal(value, initial[name])}
    assert moved == {name.split(".")[0] for name in initial}
    shutil.rmtree(tmp_path)  # some are large
