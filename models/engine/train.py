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

import affectstore
from affectstore.config.experiment import Cell, Experiment
from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.files import write_atomic
from affectstore.models.check import check_cell
from affectstore.models.classical.recipe import BaselineRecipe, baseline_recipe_of
from affectstore.models.classical.run import fit_seed, fold_vectors
from affectstore.models.data.batch import scales_of
from affectstore.models.data.dataset import ClipSet, load_clips
from affectstore.models.data.fold import SIDES, UNLABELLED_SIDE, FoldClips, clips_of_fold, read_split
from affectstore.models.engine.memory import keep_freed_memory
from affectstore.models.engine.processes import fabric_of
from affectstore.models.engine.run import FoldData, train_seed
from affectstore.models.engine.saved import WEIGHTS
from affectstore.models.engine.written import FoldFacts, is_complete
from affectstore.models.needs import inputs_of, takes_of
from affectstore.models.recipe import Recipe, recipe_of
from affectstore.models.sources import Source, check_sources, named_sources, required, seed_digests

MARKER = "fold.json"
_RESIDENT_SHARE = 0.5  # of a GPU's free memory

#: Trains one seed into a folder, and gives what run.json holds; None in processes that only help the first one.
_TrainSeed = Callable[[int, Path], Mapping[str, Any] | None]


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
    processes: int
    sources: Mapping[str, Source]

    def digests_of(self, seed: int) -> dict[str, str]:
        """What the run of a seed follows from."""
        return seed_digests(self.digests, self.sources, seed)


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
    processes: int = 1,
    sources: Mapping[str, Source] | None = None,
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
        processes: how many share every batch of a network, on this machine, each on a GPU of its own or all on the
            CPU; results are those of one process within rounding, but for what networks draw themselves (dropout) and
            for means that a fusion takes over its batch (ladder). A baseline takes one.
        sources: id -> what stands of it, for the cells that this one starts or learns from.

    Raises:
        ConfigError: the cell is invalid, or something of the cells that it names is missing.
        TrainingError: no clips, a modality that never arrives, or a loss that is not finite.
        StoreError: a feature, the clips table or the split is missing.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    where = f"{experiment_name}/{cell.id}/{fold}"
    sources = sources or {}
    reason = check_cell(experiment, cell) or check_sources(experiment, cell)
    reason = reason or next(required(cell, sources, experiment.seeds), "")
    if reason:
        raise ConfigError(f"{where}: {reason}")
    seeds = list(range(experiment.seeds))
    missing = [seed for seed in seeds if not is_complete(out / str(seed), seed_digests(digests, sources, seed))]
    for seed in sorted(set(seeds) - set(missing)):
        print(f"{where} seed {seed}: reused", flush=True)
    if missing:
        store, split = affectstore.open(store_root), read_split(split_path, fold)
        job = _Job(experiment, cell, fold, classes, store, split, out, where, digests, accelerator, processes, sources)
        train = _baseline(job) if cell.baseline else _network(job)
        for seed in missing:
            start = time.perf_counter()
            facts = train(seed, out / str(seed))
            if facts is None:
                continue
            chosen = facts["chosen_by"] if cell.baseline else f"epoch {facts['best_epoch']} of {facts['epochs']} chosen"
            print(
                f"{where} seed {seed}: {chosen}, {facts['n']['test']} clips tested, "
                f"{time.perf_counter() - start:.1f} s",
                flush=True,
            )
        if facts is None:
            return  # the first process says that the fold is whole
        shutil.rmtree(_mapped(out), ignore_errors=True)
    marker: dict[str, Any] = {"digests": dict(digests), "keys": keys, "seeds": seeds}
    if not cell.baseline:
        marker["weights"] = {str(seed): digest_file(out / str(seed) / WEIGHTS) for seed in seeds}
    if sources:
        marker["sources"] = {
            name: {str(seed): source.weights[seed] for seed in seeds} for name, source in sources.items()
        }
    write_atomic(out / MARKER, (json.dumps(marker, indent=1) + "\n").encode())


def _network(job: _Job) -> _TrainSeed:
    """Read everything once, for all seeds of a network."""
    store, settings = job.store, job.experiment.training_of(job.cell)
    fabric = _fabric(settings.precision, job.accelerator, job.processes)
    mapped = _mapped(job.out) / str(fabric.global_rank)
    inputs, takes = inputs_of(job.experiment, job.cell), takes_of(job.cell)
    columns = {f: math.prod(store[f].spec.shape) for modality, f in inputs.items() if takes[modality] == "sequence"}
    recipe = recipe_of(job.experiment, job.cell, job.classes, columns)
    clips = _clips(job, recipe, settings.unlabelled)
    tables = {side: clips.sides[side] for side in SIDES if len(clips.sides[side])}
    if settings.unlabelled:
        bare = clips.sides[UNLABELLED_SIDE].copy()
        bare["label"] = pd.NA
        tables["train"] = pd.concat([tables["train"], bare])
    sets = {side: load_clips(store, recipe, table, mapped) for side, table in tables.items()}
    facts = _facts(job, clips, _random_weights(store, recipe.inputs.values()))
    named = {kind: {m: job.sources[i] for m, i in ids.items()} for kind, ids in named_sources(job.cell).items()}
    data = FoldData(facts, recipe, settings, sets, scales_of(sets["train"], recipe), **named)
    data = _on_device(data, fabric.device)
    return lambda seed, folder: train_seed(data, fabric, seed, folder, job.digests_of(seed))


def _baseline(job: _Job) -> _TrainSeed:
    """Read everything once, for all seeds of a baseline."""
    recipe = baseline_recipe_of(job.experiment, job.cell, job.classes)
    clips = _clips(job, recipe)
    facts = _facts(job, clips, _random_weights(job.store, recipe.inputs.values() if recipe.reads else ()))
    data = fold_vectors(job.store, recipe, {side: clips.sides[side] for side in SIDES}, facts)
    return lambda seed, folder: fit_seed(data, seed, folder, job.digests)


def _clips(job: _Job, recipe: Recipe | BaselineRecipe, unlabelled: bool = False) -> FoldClips:
    """The clips of the fold; those that are left out are listed beside the runs."""
    clips = clips_of_fold(job.store, job.split, job.experiment, recipe, job.where, unlabelled)
    job.out.mkdir(parents=True, exist_ok=True)
    write_atomic(job.out / "left_out.tsv", clips.left_out.to_csv(sep="\t", index=False).encode())
    return clips


def _facts(job: _Job, clips: FoldClips, random_weights: tuple[str, ...]) -> FoldFacts:
    return FoldFacts(
        cell=job.cell.id,
        fold=job.fold,
        n={side: len(table) for side, table in clips.sides.items()},
        excluded=clips.reasons("excluded"),
        skipped=clips.reasons("skipped"),
        skipped_test=sum(clips.reasons("skipped", "test").values()),
        random_weights=random_weights,
    )


def _random_weights(store: Any, features: Iterable[str]) -> tuple[str, ...]:
    """Those of the features, and of what is upstream of them, that were computed with random weights."""
    names = (name for feature in features for name in store[feature].attrs.get("random_weights", ()))
    return tuple(dict.fromkeys(names))


def _fabric(precision: str, accelerator: str, processes: int) -> Fabric:
    fabric = fabric_of(precision, accelerator, processes)
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
