"""One training run: a cell, a fold and a seed, trained, chosen on validation, scored once, written whole."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning_fabric import Fabric

from affectstore.config.training import Training
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.checkpoint import drop_checkpoint
from affectstore.models.engine.fit import Fitted, fit
from affectstore.models.engine.predict import logits_of
from affectstore.models.engine.saved import save_model
from affectstore.models.engine.settle import settle
from affectstore.models.engine.start import start_from, states_of, teacher_logits
from affectstore.models.engine.written import (
    FoldFacts,
    begin_run,
    common_facts,
    finish_run,
    peak_memory_mb,
    prediction_rows,
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
    """

    facts: FoldFacts
    recipe: Recipe
    settings: Training
    sets: Mapping[str, ClipSet]
    scales: Mapping[str, Scale]
    init_from: Mapping[str, Source] = field(default_factory=dict)
    teachers: Mapping[str, Source] = field(default_factory=dict)


def train_seed(
    data: FoldData, fabric: Fabric, seed: int, folder: Path, digests: Mapping[str, str]
) -> dict[str, Any] | None:
    """Train one seed and write its folder; run.json comes last and says that the run is whole.

    Returns:
        What run.json holds; None in processes that only help the first one train.
    """
    start = time.perf_counter()
    begin_run(folder)
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
    save_model(folder, data.recipe, data.scales, network.state_dict())
    write_history(folder, fitted.history)
    predictions, infer_s = _predictions(data, network, fabric.device, seed)
    write_predictions(folder, predictions)
    facts = _facts(data, fabric.device, seed, digests, network, fitted)
    facts |= {"infer_ms_per_clip": 1000 * infer_s / len(sets["test"]), "wall_s": time.perf_counter() - start}
    finish_run(folder, facts)
    drop_checkpoint(folder / CHECKPOINT)
    return facts


def _predictions(data: FoldData, network: Network, device: torch.device, seed: int) -> tuple[list[pd.DataFrame], float]:
    """Probabilities of the validation and the test side, and the seconds that the test side took.

    Where there are several modalities, the test side comes once more without each of them.
    """
    parts, infer_s = [], 0.0
    for side in ("val", "test"):
        if side not in data.sets:
            continue
        clips = data.sets[side]
        ablated = data.recipe.modalities if side == "test" and len(data.recipe.modalities) > 1 else ()
        for without in (None, *ablated):
            start = time.perf_counter()
            logits = logits_of(network, clips, data.scales, data.settings.batch_size, device, without)
            if side == "test" and without is None:
                infer_s = time.perf_counter() - start
            parts.append(
                prediction_rows(
                    clips.table,
                    torch.softmax(logits, dim=1).numpy(),
                    data.recipe.classes,
                    fold=data.facts.fold,
                    seed=seed,
                    side=side,
                    condition="full" if without is None else f"no_{without}",
                )
            )
    return parts, infer_s


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
    return common_facts(data.facts, seed, digests, badges, _PACKAGES) | {
        "weights": network.origins | {m: f"{source.cell}'s" for m, source in data.init_from.items()},
        "init_from": _said(data.init_from, seed),
        "teachers": _said(data.teachers, seed),
        "takes": "+".join(dict.fromkeys(data.recipe.takes.values())),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "threads": torch.get_num_threads(),
        "chosen_by": f"validation {data.settings.monitor}" if validated else "last epoch",
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "parameters": network.parameters_count,
        "train_s": fitted.train_s,
        "peak_mem_mb": _peak_mem_mb(device),
    }


def _said(sources: Mapping[str, Source], seed: int) -> dict[str, Any] | None:
    """What run.json says of the cells that a run started or learnt from."""
    return {
        m: {"cell": source.cell, "digests": dict(source.digests), "weights": source.weights[seed]}
        for m, source in sources.items()
    } or None


def _peak_mem_mb(device: torch.device) -> float:
    """Most memory in use so far: of the GPU, or of this process, in MiB."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_memory_mb()
