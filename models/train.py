"""Train a cell of an experiment on one fold, all its seeds: the job behind `affectstore train`."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment

import affectstore
from affectstore.config.experiment import Cell, Experiment
from affectstore.errors import ConfigError
from affectstore.files import write_atomic
from affectstore.models.baseline_recipe import BaselineRecipe, baseline_recipe_of
from affectstore.models.baseline_run import fit_seed, fold_vectors
from affectstore.models.batch import scales_of
from affectstore.models.check import check_cell
from affectstore.models.dataset import ClipSet, load_clips
from affectstore.models.fold import SIDES, FoldClips, clips_of_fold, read_split
from affectstore.models.memory import keep_freed_memory
from affectstore.models.needs import inputs_of, takes_of
from affectstore.models.recipe import Recipe, recipe_of
from affectstore.models.run import FoldData, train_seed
from affectstore.models.written import FoldFacts, is_complete

MARKER = "fold.json"
_RESIDENT_SHARE = 0.5  # of a GPU's free memory

#: Trains one seed into a folder, and gives what run.json holds.
_TrainSeed = Callable[[int, Path], Mapping[str, Any]]


@dataclass(frozen=True)
class _Job:
    """A cell and fold, as `train_fold` was asked for it, with store and split opened."""

    experiment: Experiment
    cell: Cell
    fold: int
    classes: tuple[str, ...]
    store: Any
    split: pd.DataFrame
    out: Path
    where: str
    digests: Mapping[str, str]
    accelerator: str


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
        store, split = affectstore.open(store_root), read_split(split_path, fold)
        job = _Job(experiment, cell, fold, classes, store, split, out, where, digests, accelerator)
        train = _baseline(job) if cell.baseline else _network(job)
        for seed in missing:
            start = time.perf_counter()
            facts = train(seed, out / str(seed))
            chosen = facts["chosen_by"] if cell.baseline else f"epoch {facts['best_epoch']} of {facts['epochs']} chosen"
            print(
                f"{where} seed {seed}: {chosen}, {facts['n']['test']} clips tested, "
                f"{time.perf_counter() - start:.1f} s",
                flush=True,
            )
        shutil.rmtree(_mapped(out), ignore_errors=True)
    marker = {"digests": dict(digests), "keys": keys, "seeds": seeds}
    write_atomic(out / MARKER, (json.dumps(marker, indent=1) + "\n").encode())


def _network(job: _Job) -> _TrainSeed:
    """Read everything once, for all seeds of a network."""
    store, settings = job.store, job.experiment.training_of(job.cell)
    inputs, takes = inputs_of(job.experiment, job.cell), takes_of(job.cell)
    columns = {f: math.prod(store[f].spec.shape) for modality, f in inputs.items() if takes[modality] == "sequence"}
    recipe = recipe_of(job.experiment, job.cell, job.classes, columns)
    clips = _clips(job, recipe)
    sets = {
        side: load_clips(store, recipe, clips.sides[side], _mapped(job.out)) for side in SIDES if len(clips.sides[side])
    }
    facts = _facts(job, clips, _random_weights(store, recipe.inputs.values()))
    fabric = _fabric(settings.precision, job.accelerator)
    data = _on_device(FoldData(facts, recipe, settings, sets, scales_of(sets["train"], recipe)), fabric.device)
    return lambda seed, folder: train_seed(data, fabric, seed, folder, job.digests)


def _baseline(job: _Job) -> _TrainSeed:
    """Read everything once, for all seeds of a baseline."""
    recipe = baseline_recipe_of(job.experiment, job.cell, job.classes)
    clips = _clips(job, recipe)
    facts = _facts(job, clips, _random_weights(job.store, recipe.inputs.values() if recipe.reads else ()))
    data = fold_vectors(job.store, recipe, clips.sides, facts)
    return lambda seed, folder: fit_seed(data, seed, folder, job.digests)


def _clips(job: _Job, recipe: Recipe | BaselineRecipe) -> FoldClips:
    """The clips of the fold; those that are left out are listed beside the runs."""
    clips = clips_of_fold(job.store, job.split, job.experiment, recipe, job.where)
    job.out.mkdir(parents=True, exist_ok=True)
    write_atomic(job.out / "left_out.tsv", clips.left_out.to_csv(sep="\t", index=False).encode())
    return clips


def _facts(job: _Job, clips: FoldClips, random_weights: tuple[str, ...]) -> FoldFacts:
    return FoldFacts(
        cell=job.cell.id,
        fold=job.fold,
        n={side: len(clips.sides[side]) for side in SIDES},
        excluded=clips.reasons("excluded"),
        skipped=clips.reasons("skipped"),
        skipped_test=sum(clips.reasons("skipped", "test").values()),
        random_weights=random_weights,
    )


def _random_weights(store: Any, features: Iterable[str]) -> tuple[str, ...]:
    """Those of the features, and of what is upstream of them, that were computed with random weights."""
    names = (name for feature in features for name in store[feature].attrs.get("random_weights", ()))
    return tuple(dict.fromkeys(names))


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
