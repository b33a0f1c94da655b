"""Training of a cell of an experiment on one fold, all its seeds: the job behind `affectstore train`."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import affectstore
from affectstore.config.experiment import Cell
from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.files import write_atomic
from affectstore.models.baseline_fit.run import BaselineRunner
from affectstore.models.cells.combinations import combinations
from affectstore.models.cells.inputs import input_features, input_kinds
from affectstore.models.cells.job import TrainJob
from affectstore.models.cells.parents import missing_parents, named_parents, seed_digests
from affectstore.models.cells.recipe import BaselineRecipe, Recipe, baseline_recipe_for, recipe_for
from affectstore.models.data.batch import compute_scales
from affectstore.models.data.dataset import estimate_nbytes, load_clips
from affectstore.models.data.fold import UNLABELLED_SUBSET, FoldClips, FoldData, read_split, select_clips
from affectstore.models.run_files import WEIGHTS, FoldFacts, is_complete
from affectstore.models.seed_runner import SeedRunner
from affectstore.models.spec import TrainingError
from affectstore.models.sweep import BASELINE_MONITOR, GridJob, train_grid
from affectstore.models.training.distributed import make_fabric
from affectstore.models.training.machine import keep_freed_memory, use_deterministic_kernels
from affectstore.models.training.run import NetworkRunner
from affectstore.splits.base import SUBSETS

MARKER = "fold.json"
_RESIDENT_SHARE = 0.5  # of a GPU's free memory


def train_fold(job: TrainJob) -> None:
    """Train every seed that is missing, and write the fold's marker last.

    Raises:
        ConfigError: A run of a parent cell is missing.
        TrainingError: No clips, a modality without effect, or a loss that is not finite.
        StoreError: A feature, the clips table or the split is missing.
    """
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    keep_freed_memory()
    experiment, cell = job.experiment, job.cell
    if problem := next(missing_parents(cell, job.parents, experiment.seeds), None):
        raise ConfigError(f"{job.where}: {problem}")
    seeds = {seed: seed_digests(job.digests, job.parents, seed) for seed in range(experiment.seeds)}

    swept = combinations(experiment, cell)
    first = swept[0].cell  # what all combinations share is that of any

    def load() -> SeedRunner:
        return _load_baseline(job, first) if cell.baseline else _load_network(job, first)

    if experiment.grid_of(cell):
        monitor = BASELINE_MONITOR if cell.baseline else experiment.training_of(cell).monitor
        grid = GridJob(swept, job.combinations, seeds, monitor, job.out, job.where)
        is_writer = train_grid(grid, load)
    else:
        is_writer = _train_missing(job, first, seeds, load)
    if not is_writer:
        return  # the first process writes the marker
    shutil.rmtree(_mapped_folder(job.out), ignore_errors=True)
    marker: dict[str, Any] = {"digests": dict(job.digests), "keys": job.keys, "seeds": list(seeds)}
    if not cell.baseline:
        marker["weights"] = {str(seed): digest_file(job.out / str(seed) / WEIGHTS) for seed in seeds}
    if job.parents:
        marker["parents"] = {
            name: {str(seed): parent.weights[seed] for seed in seeds} for name, parent in job.parents.items()
        }
    write_atomic(job.out / MARKER, (json.dumps(marker, indent=1) + "\n").encode())


def _train_missing(
    job: TrainJob, cell: Cell, seeds: Mapping[int, Mapping[str, str]], load: Callable[[], SeedRunner]
) -> bool:
    """Train the seeds of a cell without a grid whose runs are missing; True in the process that writes them."""
    missing = [seed for seed, digests in seeds.items() if not is_complete(job.out / str(seed), digests)]
    for seed in sorted(set(seeds) - set(missing)):
        print(f"{job.where} seed {seed}: reused", flush=True)
    if not missing:
        return True
    runner = load()
    for seed in missing:
        start = time.perf_counter()
        facts = runner.run(cell, seed, job.out / str(seed), seeds[seed])
        if facts is not None:
            tested = f"{facts['n']['test']} clips tested, {time.perf_counter() - start:.1f} s"
            print(f"{job.where} seed {seed}: {runner.log_line(facts)}, {tested}", flush=True)
    return runner.is_global_zero


def _load_network(job: TrainJob, cell: Cell) -> NetworkRunner:
    """Load the data that all seeds and combinations of a network share; `cell` is one of the combinations."""
    store, settings = affectstore.open(job.store), job.experiment.training_of(cell)
    fabric = make_fabric(settings.precision, job.accelerator, job.processes)
    if fabric.device.type == "cuda":
        use_deterministic_kernels()
    inputs, kinds = input_features(job.experiment, cell), input_kinds(cell)
    dims = {f: math.prod(store[f].spec.shape) for modality, f in inputs.items() if kinds[modality] == "sequence"}
    recipe = recipe_for(job.experiment, cell, job.classes, dims)
    clips = _select(job, store, recipe, settings.unlabelled)
    tables = {subset: clips.subsets[subset] for subset in SUBSETS if len(clips.subsets[subset])}
    if settings.unlabelled:
        bare = clips.subsets[UNLABELLED_SUBSET].copy()
        bare["label"] = pd.NA
        tables["train"] = pd.concat([tables["train"], bare])
    resident = _fits_on(fabric.device, store, recipe, tables.values())
    mapped = _mapped_folder(job.out) / str(fabric.global_rank)
    loaded = {s: load_clips(store, recipe, t, mapped, fabric.device, resident) for s, t in tables.items()}
    named = {kind: {m: job.parents[i] for m, i in ids.items()} for kind, ids in named_parents(job.cell).items()}
    data = FoldData(
        _facts(job, clips, _random_weights(store, recipe.inputs.values())),
        recipe,
        settings,
        loaded,
        compute_scales(loaded["train"], recipe),
        init_from=named.get("init_from", {}),
        teachers=named.get("teachers", {}),
        missing=job.experiment.missing,
    )
    return NetworkRunner(job.experiment, data, dims, fabric)


def _load_baseline(job: TrainJob, cell: Cell) -> BaselineRunner:
    """Load the data that all seeds and combinations of a baseline share; `cell` is one of the combinations."""
    store = affectstore.open(job.store)
    recipe = baseline_recipe_for(job.experiment, cell, job.classes)
    clips = _select(job, store, recipe)
    read = recipe.inputs.values() if recipe.reads_features else ()
    facts = _facts(job, clips, _random_weights(store, read))
    return BaselineRunner(
        job.experiment, store, {subset: clips.subsets[subset] for subset in SUBSETS}, facts, job.classes
    )


def _select(job: TrainJob, store: Any, recipe: Recipe | BaselineRecipe, unlabelled: bool = False) -> FoldClips:
    """Select the clips of the fold; those that are left out are listed beside the runs."""
    clips = select_clips(store, read_split(job.split, job.fold), job.experiment, recipe, job.where, unlabelled)
    job.out.mkdir(parents=True, exist_ok=True)
    write_atomic(job.out / "left_out.tsv", clips.left_out.to_csv(sep="\t", index=False).encode())
    if job.experiment.grid_of(job.cell) and clips.subsets["val"].empty:
        raise TrainingError(
            f"{job.where}: `grid` is chosen on the validation subset, and no clip is left in it; choose another "
            f"protocol, or set the options themselves. Excluded: {clips.reasons('excluded', 'val') or 'none'}; "
            f"skipped: {clips.reasons('skipped', 'val') or 'none'}"
        )
    return clips


def _facts(job: TrainJob, clips: FoldClips, random_weights: tuple[str, ...]) -> FoldFacts:
    return FoldFacts(
        cell=job.cell.id,
        fold=job.fold,
        n={subset: len(table) for subset, table in clips.subsets.items()},
        excluded=clips.reasons("excluded"),
        skipped=clips.reasons("skipped"),
        skipped_test=sum(clips.reasons("skipped", "test").values()),
        random_weights=random_weights,
    )


def _random_weights(store: Any, features: Iterable[str]) -> tuple[str, ...]:
    """Features, and features upstream of them, that were computed with random weights."""
    names = (name for feature in features for name in store[feature].attrs.get("random_weights", ()))
    return tuple(dict.fromkeys(names))


def _fits_on(device: torch.device, store: Any, recipe: Recipe, tables: Iterable[pd.DataFrame]) -> bool:
    """Test if all values fit on a GPU, leaving half of its free memory; otherwise they go there batch by batch."""
    if device.type != "cuda":
        return False
    nbytes = sum(estimate_nbytes(store, recipe, table["clip_id"].tolist()) for table in tables)
    return nbytes <= _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


def _mapped_folder(out: Path) -> Path:
    """Folder of values that do not fit into memory, while the job runs."""
    return out / "mapped"
