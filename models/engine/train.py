"""Train a cell of an experiment on one fold, all its seeds: the job behind `affectstore train`."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from affectstore.models.base import TrainingError
from affectstore.models.check import check_cell
from affectstore.models.classical.recipe import BaselineRecipe, baseline_recipe_of
from affectstore.models.classical.run import FoldVectors, fit_seed, fit_trial, fold_vectors, predict_fitted
from affectstore.models.data.batch import scales_of
from affectstore.models.data.dataset import bytes_of, load_clips
from affectstore.models.data.fold import SIDES, UNLABELLED_SIDE, FoldClips, clips_of_fold, read_split
from affectstore.models.engine.choose import BASELINES_BY
from affectstore.models.engine.grid import GridJob, train_grid
from affectstore.models.engine.memory import keep_freed_memory
from affectstore.models.engine.processes import fabric_of
from affectstore.models.engine.run import FoldData, predict_trained, train_seed, train_trial
from affectstore.models.engine.saved import WEIGHTS
from affectstore.models.engine.trainer import Trainer
from affectstore.models.engine.written import FoldFacts, is_complete
from affectstore.models.grid import Combination
from affectstore.models.grid import combinations as combinations_of
from affectstore.models.needs import inputs_of, takes_of
from affectstore.models.recipe import Recipe, recipe_of
from affectstore.models.sources import Source, check_sources, named_sources, required, seed_digests

MARKER = "fold.json"
_RESIDENT_SHARE = 0.5  # of a GPU's free memory


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
    combinations: tuple[Combination, ...]


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
    combinations: Sequence[str] = (),
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
            CPU; results are those of one process within rounding, but for what networks draw themselves (dropout, the
            noise of a ladder). A baseline takes one.
        sources: id -> what stands of it, for the cells that this one starts or learns from.
        combinations: of a cell with a grid, the digest of the settings of each combination, in their order.

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
    seeds = {seed: seed_digests(digests, sources, seed) for seed in range(experiment.seeds)}
    asked = combinations_of(experiment, cell)

    def trainer() -> Trainer:
        store, split = affectstore.open(store_root), read_split(split_path, fold)
        shared = accelerator, processes, sources, asked
        job = _Job(experiment, cell, fold, classes, store, split, out, where, digests, *shared)
        return _baseline(job) if cell.baseline else _network(job)

    if experiment.grid_of(cell):
        monitor = BASELINES_BY if cell.baseline else experiment.training_of(cell).monitor
        whole = train_grid(GridJob(asked, tuple(combinations), seeds, monitor, out, where), trainer)
    else:
        whole = _train_missing(seeds, out, where, asked[0], trainer)
    if not whole:
        return  # the first process says that the fold is whole
    shutil.rmtree(_mapped(out), ignore_errors=True)
    marker: dict[str, Any] = {"digests": dict(digests), "keys": keys, "seeds": list(seeds)}
    if not cell.baseline:
        marker["weights"] = {str(seed): digest_file(out / str(seed) / WEIGHTS) for seed in seeds}
    if sources:
        marker["sources"] = {
            name: {str(seed): source.weights[seed] for seed in seeds} for name, source in sources.items()
        }
    write_atomic(out / MARKER, (json.dumps(marker, indent=1) + "\n").encode())


def _train_missing(
    seeds: Mapping[int, Mapping[str, str]], out: Path, where: str, cell: Combination, made: Callable[[], Trainer]
) -> bool:
    """Train the seeds whose runs are not there; whether this is the process that writes them."""
    missing = [seed for seed, digests in seeds.items() if not is_complete(out / str(seed), digests)]
    for seed in sorted(set(seeds) - set(missing)):
        print(f"{where} seed {seed}: reused", flush=True)
    if not missing:
        return True
    trainer = made()
    for seed in missing:
        start = time.perf_counter()
        facts = trainer.run(cell.cell, seed, out / str(seed), seeds[seed])
        if facts is not None:
            tested = f"{facts['n']['test']} clips tested, {time.perf_counter() - start:.1f} s"
            print(f"{where} seed {seed}: {trainer.said(facts)}, {tested}", flush=True)
    return trainer.first


def _network(job: _Job) -> Trainer:
    """Read everything once, for all seeds and combinations of a network."""
    # What they have in common is that of any.
    cell = job.combinations[0].cell
    store, settings = job.store, job.experiment.training_of(cell)
    fabric = _fabric(settings.precision, job.accelerator, job.processes)
    mapped = _mapped(job.out) / str(fabric.global_rank)
    inputs, takes = inputs_of(job.experiment, cell), takes_of(cell)
    columns = {f: math.prod(store[f].spec.shape) for modality, f in inputs.items() if takes[modality] == "sequence"}
    recipe = recipe_of(job.experiment, cell, job.classes, columns)
    clips = _clips(job, recipe, settings.unlabelled)
    tables = {side: clips.sides[side] for side in SIDES if len(clips.sides[side])}
    if settings.unlabelled:
        bare = clips.sides[UNLABELLED_SIDE].copy()
        bare["label"] = pd.NA
        tables["train"] = pd.concat([tables["train"], bare])
    resident = _fit_on(fabric.device, store, recipe, tables.values())
    sets = {side: load_clips(store, recipe, t, mapped, fabric.device, resident) for side, t in tables.items()}
    facts = _facts(job, clips, _random_weights(store, recipe.inputs.values()))
    named = {kind: {m: job.sources[i] for m, i in ids.items()} for kind, ids in named_sources(job.cell).items()}
    data = FoldData(
        facts,
        recipe,
        settings,
        sets,
        scales_of(sets["train"], recipe),
        init_from=named.get("init_from", {}),
        teachers=named.get("teachers", {}),
        missing=job.experiment.missing,
    )

    def of(one: Cell) -> FoldData:
        own = recipe_of(job.experiment, one, job.classes, columns)
        return replace(data, recipe=own, settings=job.experiment.training_of(one))

    return Trainer(
        run=lambda one, seed, folder, digests: train_seed(of(one), fabric, seed, folder, digests),
        trial=lambda one, seed, folder, digests: train_trial(of(one), fabric, seed, folder, digests),
        predict=lambda one, seed, folder: predict_trained(of(one), fabric.device, seed, folder),
        said=lambda facts: f"epoch {facts['best_epoch']} of {facts['epochs']} chosen",
        first=fabric.is_global_zero,
        agree=fabric.broadcast,
    )


def _baseline(job: _Job) -> Trainer:
    """Read everything once, for all seeds of a baseline and combinations that pool alike."""
    recipe = baseline_recipe_of(job.experiment, job.combinations[0].cell, job.classes)
    clips = _clips(job, recipe)
    facts = _facts(job, clips, _random_weights(job.store, recipe.inputs.values() if recipe.reads else ()))
    sides = {side: clips.sides[side] for side in SIDES}
    pooled: dict[Any, FoldVectors] = {}

    def of(one: Cell) -> FoldVectors:
        own = baseline_recipe_of(job.experiment, one, job.classes)
        if own.pool not in pooled:
            pooled[own.pool] = fold_vectors(job.store, own, sides, facts)
        return replace(pooled[own.pool], recipe=own)

    return Trainer(
        run=lambda one, seed, folder, digests: fit_seed(of(one), seed, folder, digests),
        trial=lambda one, seed, folder, digests: fit_trial(of(one), seed, folder, digests),
        predict=lambda one, seed, folder: predict_fitted(of(one), seed, folder),
        said=lambda facts: str(facts["chosen_by"]),
    )


def _clips(job: _Job, recipe: Recipe | BaselineRecipe, unlabelled: bool = False) -> FoldClips:
    """The clips of the fold; those that are left out are listed beside the runs."""
    clips = clips_of_fold(job.store, job.split, job.experiment, recipe, job.where, unlabelled)
    job.out.mkdir(parents=True, exist_ok=True)
    write_atomic(job.out / "left_out.tsv", clips.left_out.to_csv(sep="\t", index=False).encode())
    if job.combinations[0].options and clips.sides["val"].empty:
        raise TrainingError(
            f"{job.where}: `grid` is chosen on the validation side, and no clip is left on it; take another protocol, "
            f"or name the options themselves. Excluded: {clips.reasons('excluded', 'val') or 'none'}; skipped: "
            f"{clips.reasons('skipped', 'val') or 'none'}"
        )
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


def _fit_on(device: torch.device, store: Any, recipe: Recipe, sides: Iterable[pd.DataFrame]) -> bool:
    """Whether all values may stay on a GPU, leaving half of what is free; others go there batch by batch."""
    if device.type != "cuda":
        return False
    nbytes = sum(bytes_of(store, recipe, table["clip_id"].tolist()) for table in sides)
    return nbytes <= _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


def _mapped(out: Path) -> Path:
    """Where values that do not fit into memory lie while the job runs."""
    return out / "mapped"
