"""Train a cell of an experiment on one fold, all its seeds: the job behind `affectstore train`."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment

import affectstore
from affectstore.config.experiment import Cell, Experiment
from affectstore.errors import ConfigError
from affectstore.files import write_atomic
from affectstore.models.batch import scales_of
from affectstore.models.check import check_cell
from affectstore.models.dataset import ClipSet, load_clips
from affectstore.models.fold import SIDES, clips_of_fold, read_split
from affectstore.models.memory import keep_freed_memory
from affectstore.models.recipe import recipe_of
from affectstore.models.run import FoldData, is_complete, train_seed

MARKER = "fold.json"
_RESIDENT_SHARE = 0.5  # of a GPU's free memory


def train_fold(
    *,
    experiment: Experiment,
    experiment_name: str,
    cell: Cell,
    fold: int,
    classes: tuple[str, ...],
    store_root: Path,
    split_path: Path,
    out: Path,
    digests: Mapping[str, str],
    keys: str = "",
    threads: int | None = None,
    accelerator: str = "auto",
) -> None:
    """Train every seed that is not there yet, and write the fold's marker last.

    Args:
        experiment: the experiment; its `seeds` says how many runs.
        experiment_name: its file's name.
        cell: one of its cells.
        fold: fold of the protocol.
        classes: class labels, in the order of the tables.
        store_root: the corpus's store.
        split_path: the protocol's split, a Parquet file.
        out: folder of the cell and fold; a folder per seed is made in it.
        digests: what the runs follow from; a complete run with the same digests is not trained again.
        keys: digest of the clips' keys, kept in the marker for the planner.
        threads: CPU threads; none: as the environment says.
        accelerator: Fabric's: "auto", "cpu", "cuda".

    Raises:
        ConfigError: the cell is invalid.
        TrainingError: no clips, a modality that never arrives, or a loss that is not finite.
        StoreError: a feature, the clips table or the split is missing.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    where = f"{experiment_name}/{cell.id}/{fold}"
    reason = check_cell(experiment, cell)
    if reason:
        raise ConfigError(f"{where}: {reason}")
    seeds = list(range(experiment.seeds))
    missing = [seed for seed in seeds if not is_complete(out / str(seed), digests)]
    for seed in sorted(set(seeds) - set(missing)):
        print(f"{where} seed {seed}: reused", flush=True)
    if missing:
        data = _load(experiment, cell, fold, classes, store_root, split_path, out, where)
        fabric = _fabric(experiment.training_of(cell).precision, accelerator)
        data = _on_device(data, fabric.device)
        for seed in missing:
            start = time.perf_counter()
            facts = train_seed(data, fabric, seed, out / str(seed), digests)
            print(
                f"{where} seed {seed}: epoch {facts['best_epoch']} of {facts['epochs']} chosen, "
                f"{facts['n']['test']} clips tested, {time.perf_counter() - start:.1f} s",
                flush=True,
            )
        shutil.rmtree(_mapped(out), ignore_errors=True)
    marker = {"digests": dict(digests), "keys": keys, "seeds": seeds}
    write_atomic(out / MARKER, (json.dumps(marker, indent=1) + "\n").encode())


def _load(
    experiment: Experiment,
    cell: Cell,
    fold: int,
    classes: tuple[str, ...],
    store_root: Path,
    split_path: Path,
    out: Path,
    where: str,
) -> FoldData:
    """Read everything once, for all seeds."""
    store = affectstore.open(store_root)
    recipe = recipe_of(experiment, cell, classes)
    clips = clips_of_fold(store, read_split(split_path, fold), experiment, recipe, where)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "left_out.tsv", clips.left_out.to_csv(sep="\t", index=False).encode())
    sets = {
        side: load_clips(store, recipe, clips.sides[side], _mapped(out)) for side in SIDES if len(clips.sides[side])
    }
    return FoldData(
        cell=cell.id,
        fold=fold,
        recipe=recipe,
        settings=experiment.training_of(cell),
        sets=sets,
        scales=scales_of(sets["train"], recipe),
        excluded=clips.reasons("excluded"),
        skipped=clips.reasons("skipped"),
        skipped_test=sum(clips.reasons("skipped", "test").values()),
    )


def _fabric(precision: str, accelerator: str) -> Fabric:
    # One process on one device, also inside a Slurm job, whose environment Fabric would take for its own.
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=[LightningEnvironment()])  # type: ignore[arg-type]
    if fabric.device.type == "cuda":
        # Some kernels have no deterministic form (3D pooling backward): warn, and go on.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    return fabric


def _on_device(data: FoldData, device: torch.device) -> FoldData:
    """Pictures onto the GPU where they leave half of it free; else they go there batch by batch."""
    if device.type != "cuda":
        return data
    free, _ = torch.cuda.mem_get_info(device)
    if sum(clips.nbytes for clips in data.sets.values()) > _RESIDENT_SHARE * free:
        return data
    sets: dict[str, ClipSet] = {side: clips.to(device) for side, clips in data.sets.items()}
    return replace(data, sets=sets)


def _mapped(out: Path) -> Path:
    """Where values that do not fit into memory lie while the job runs."""
    return out / "mapped"
