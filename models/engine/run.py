"""One training run: a cell, a fold and a seed, trained, chosen on validation, scored once, written whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from affectstore.config.experiment import Missing
from affectstore.config.training import Training
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.checkpoint import drop_checkpoint
from affectstore.models.engine.conditions import predictions_of
from affectstore.models.engine.fit import Fitted, fit, lay_out
from affectstore.models.engine.machine import cpu_name
from affectstore.models.engine.saved import load_model, save_model
from affectstore.models.engine.settle import settle
from affectstore.models.engine.start import start_from, states_of, teacher_logits
from affectstore.models.engine.written import (
    FoldFacts,
    begin_run,
    common_facts,
    finish_run,
    peak_memory_mb,
    write_history,
    write_predictions,
)
from affectstore.models.network import Network
from affectstore.models.recipe import Recipe
from affectstore.models.sources import Source
from affectstore.models.version import ENGINE_VERSION

CHECKPOINT = "checkpoint"

_PACKAGES = ("affectstore", "torch", "torchvision", "lightning-fabric", "numpy")


@dataclass(frozen=True)
class FoldData:
    """What all seeds of a cell and fold share.

    Attributes:
        facts: the cell, the fold, and what became of its clips.
        recipe: the network.
        settings: the engine's.
        sets: side -> its clips; without "val" where the protocol has no validation side.
        scales: how inputs are normalised, from the training side.
        init_from: modality -> the trained cell whose encoder it starts from.
        teachers: modality -> the trained cell that the fusion learns from.
        missing: how modalities are missing when the test side is tried without them.
    """

    facts: FoldFacts
    recipe: Recipe
    settings: Training
    sets: Mapping[str, ClipSet]
    scales: Mapping[str, Scale]
    init_from: Mapping[str, Source] = field(default_factory=dict)
    teachers: Mapping[str, Source] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ("masked",)


def train_seed(
    data: FoldData, fabric: Fabric, seed: int, folder: Path, digests: Mapping[str, str]
) -> dict[str, Any] | None:
    """Train one seed and write its folder; run.json comes last and says that the run is whole.

    Returns:
        What run.json holds; None in processes that only help the first one train.
    """
    return _run(
        data, fabric, seed, folder, digests, lambda network, _: _test(data, network, fabric.device, seed, folder)
    )


def train_trial(
    data: FoldData, fabric: Fabric, seed: int, folder: Path, digests: Mapping[str, str]
) -> dict[str, Any] | None:
    """Train one seed as `train_seed` does, and stop short of predictions: a combination of a grid.

    Returns:
        What run.json holds: the facts of a run, and under "validation" what the chosen epoch is worth there; None in
        processes that only help the first one train.
    """
    return _run(data, fabric, seed, folder, digests, lambda _, fitted: {"validation": _worth(fitted)})


def _run(
    data: FoldData,
    fabric: Fabric,
    seed: int,
    folder: Path,
    digests: Mapping[str, str],
    then: Callable[[Network, Fitted], Mapping[str, Any]],
) -> dict[str, Any] | None:
    """Train, do what comes then and gives more facts, and write run.json last."""
    start = time.perf_counter()
    begin_run(folder)
    _forget_peak(fabric.device)
    trained = _train(data, fabric, seed, folder, digests)
    if trained is None:
        return None
    network, fitted, facts = trained
    facts |= then(network, fitted)
    facts |= {"peak_mem_mb": _peak_mem_mb(fabric.device), "wall_s": time.perf_counter() - start}
    finish_run(folder, facts)
    drop_checkpoint(folder / CHECKPOINT)
    return facts


def _worth(fitted: Fitted) -> dict[str, float]:
    """What the chosen epoch is worth on the validation side."""
    chosen = fitted.history[fitted.best_epoch - 1]
    return {name: chosen[f"val_{name}"] for name in ("loss", "uar", "accuracy")}


def predict_trained(data: FoldData, device: torch.device, seed: int, folder: Path) -> dict[str, Any]:
    """Predict with the trained network in a folder, and write the predictions beside it.

    Returns:
        What run.json has to say of that.
    """
    network, _ = load_model(folder)
    lay_out(network, data.settings)
    return _test(data, network.to(device), device, seed, folder)


def _test(data: FoldData, network: Network, device: torch.device, seed: int, folder: Path) -> dict[str, Any]:
    predictions, infer_s = predictions_of(
        network, data.sets, data.scales, data.settings.batch_size, device, data.missing, data.facts.fold, seed
    )
    write_predictions(folder, predictions)
    return {"infer_ms_per_clip": 1000 * infer_s / len(data.sets["test"])}


def _train(
    data: FoldData, fabric: Fabric, seed: int, folder: Path, digests: Mapping[str, str]
) -> tuple[Network, Fitted, dict[str, Any]] | None:
    """Fit a network, save it with its history, and gather its facts; None in processes that only help the first."""
    sets = data.sets
    starts = states_of(data.init_from, seed)
    teachers = teacher_logits(data.teachers, seed, sets["train"], data.settings.batch_size, fabric.device)
    torch.manual_seed(seed)
    network = Network(data.recipe)
    start_from(network, starts)
    run = {**digests, "engine": str(ENGINE_VERSION), "seed": str(seed)}
    fitted = fit(
        fabric,
        network,
        sets["train"],
        sets.get("val"),
        data.scales,
        data.settings,
        seed,
        run,
        folder / CHECKPOINT,
        teachers,
    )
    if not fabric.is_global_zero:
        return None
    network.load_state_dict(fitted.state)
    settle(network, sets.get("val"), data.scales, data.settings.batch_size, fabric.device)
    save_model(folder, data.recipe, data.scales, network.state_dict(), digests)
    write_history(folder, fitted.history)
    return network, fitted, _facts(data, fabric.device, seed, digests, network, fitted)


def _facts(
    data: FoldData,
    device: torch.device,
    seed: int,
    digests: Mapping[str, str],
    network: Network,
    fitted: Fitted,
) -> dict[str, Any]:
    validated = "val" in data.sets
    badges = [] if validated else ["no validation side: last epoch"]
    if network.settles and not validated:
        badges.append("not settled: no validation side")
    if data.recipe.units:
        badges.append("one modality at a time")
    return common_facts(data.facts, seed, digests, badges, _PACKAGES) | {
        "weights": network.origins | {m: f"{source.cell}'s" for m, source in data.init_from.items()},
        "weights_digests": {m: sha256 for m, sha256 in network.weights_digests.items() if m not in data.init_from},
        "init_from": _said(data.init_from, seed),
        "teachers": _said(data.teachers, seed),
        "takes": "+".join(dict.fromkeys(data.recipe.takes.values())),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
        "threads": torch.get_num_threads(),
        "chosen_by": f"validation {data.settings.monitor}" if validated else "last epoch",
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "parameters": network.parameters_count,
        "train_s": fitted.train_s,
        "train_ms_per_clip": 1000 * fitted.train_s / (len(fitted.history) * len(data.sets["train"])),
    }


def _said(sources: Mapping[str, Source], seed: int) -> dict[str, Any] | None:
    """What run.json says of the cells that a run started or learnt from."""
    return {
        m: {"cell": source.cell, "digests": dict(source.digests), "weights": source.weights[seed]}
        for m, source in sources.items()
    } or None


def _forget_peak(device: torch.device) -> None:
    """Let the peak of a GPU's memory be that of the run that begins: the one before it may have been larger."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak_mem_mb(device: torch.device) -> float:
    """Most memory in use, in MiB: of the GPU in this run, or of this process so far.

    A process keeps what it has freed (see `keep_freed_memory`), so on the CPU no run of several in a job has a peak of
    its own.
    """
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_memory_mb()
