"""One clip's way from stored arrays to one optimisation step opens few files: those that docs/architecture.md lists."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pytest
import torch
from support import tiny_store

import affectstore
from affectstore.config.experiment import Experiment
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.data.batch import compute_scales
from affectstore.models.data.dataset import load_clips
from affectstore.models.data.fold import FoldData
from affectstore.models.data.rng import RngStreams
from affectstore.models.network import Network
from affectstore.models.run_files import FoldFacts
from affectstore.models.training.distributed import make_fabric
from affectstore.models.training.loader import training_batches
from affectstore.models.training.trainer import RunningMeans, Trainer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST_FILES = 15
SEQUENCES = {"modalities": ["audio", "vision"], "encoder": "blstm", "fusion": "gmu"}
IMAGES = {"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "concat"}


def traced(cell: dict[str, Any], folder: Path) -> set[str]:
    """Files of our packages whose functions run while a clip is loaded and one step is taken on its batch."""
    tiny_store.write_store(folder / "store")
    store = affectstore.open(folder / "store")
    experiment = Experiment(title="t", corpus="c", cells=(cell,), images={"image_px": 32}, train={"batch_size": 4})
    dims = {"lld": tiny_store.COLUMNS, "vggface": tiny_store.COLUMNS}
    recipe = recipe_for(experiment, experiment.cells[0], tiny_store.CLASSES, dims)
    ids = [str(clip_id) for clip_id in store.clips["clip_id"][:4]]
    table = pd.DataFrame({"clip_id": ids, "speaker": "s", "label": ["ANG", "HAP", "SAD", "ANG"]})
    clips = load_clips(store, recipe, table, folder)
    torch.manual_seed(0)
    settings = experiment.training_of(experiment.cells[0])
    data = FoldData(FoldFacts("c", 0, {}, {}, {}, 0), recipe, settings, {"train": clips}, compute_scales(clips, recipe))
    trainer = Trainer(make_fabric("32-true", "cpu", 1), Network(recipe), data, seed=0)
    trainer.model.train()
    files: set[str] = set()

    def hook(frame: FrameType, event: str, _argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_absolute() and frame.f_globals["__name__"].startswith("affectstore"):
            files.add(frame.f_globals["__name__"])

    rng = RngStreams(seed=0, epoch=1, step=0)
    sys.setprofile(hook)
    try:
        load_clips(store, recipe, table.iloc[:1], folder)
        (batch,) = training_batches(trainer.batches["train"], settings.batch_size, rng)
        trainer.train_step(batch, rng, RunningMeans())
    finally:
        sys.setprofile(None)
    return files


def as_file(module: str) -> str:
    """File of a module in the repository."""
    path = module.replace(".", "/") + ".py"
    return path.removeprefix("affectstore/") if module.startswith("affectstore.models") else path


@pytest.mark.parametrize("cell", [SEQUENCES, IMAGES], ids=["sequences", "images"])
def test_few_files_lie_between_stored_arrays_and_a_step(cell: dict[str, Any], tmp_path: Path) -> None:
    files = traced(cell, tmp_path)
    assert len(files) <= MOST_FILES, sorted(files)


def test_the_architecture_page_lists_them(tmp_path: Path) -> None:
    section = PAGE.split("## From a stored clip to one optimisation step")[1].split("\n## ")[0]
    listed = re.findall(r"^\d+\. `([\w/.]+)`", section, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {as_file(module) for module in traced(SEQUENCES, tmp_path)}
