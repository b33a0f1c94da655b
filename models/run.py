"""One run: a cell, a fold and a seed, trained, chosen on validation, scored once, written whole."""

from __future__ import annotations

import io
import json
import platform
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor

from affectstore.config.experiment import Training
from affectstore.files import write_atomic
from affectstore.models.batch import Scale
from affectstore.models.checkpoint import drop_checkpoint
from affectstore.models.dataset import ClipSet
from affectstore.models.engine import Fitted, fit
from affectstore.models.network import Network
from affectstore.models.predict import logits_of
from affectstore.models.recipe import Recipe
from affectstore.models.saved import RECIPE, WEIGHTS, save_model
from affectstore.models.version import ENGINE_VERSION

RUN, PREDICTIONS, HISTORY, CHECKPOINT = "run.json", "predictions.parquet", "history.csv", "checkpoint"

_PACKAGES = ("affectstore", "torch", "torchvision", "lightning-fabric", "numpy")


@dataclass(frozen=True)
class FoldData:
    """What all seeds of a cell and fold share.

    Attributes:
        cell: id of the cell.
        fold: fold of the protocol.
        recipe: the network.
        settings: the engine's.
        sets: side -> its clips; without "val" where the protocol has no validation side.
        scales: how inputs are normalised, from the training side.
        excluded: reason -> clips left out by split, label or selection.
        skipped: reason -> clips left out for want of a usable feature.
        skipped_test: how many of those would have been tested.
    """

    cell: str
    fold: int
    recipe: Recipe
    settings: Training
    sets: Mapping[str, ClipSet]
    scales: Mapping[str, Scale]
    excluded: Mapping[str, int]
    skipped: Mapping[str, int]
    skipped_test: int


def is_complete(folder: Path, digests: Mapping[str, str]) -> bool:
    """Whether a folder holds a whole run that follows from the same."""
    try:
        facts = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    files = (WEIGHTS, RECIPE, PREDICTIONS, HISTORY)
    return facts.get("digests") == dict(digests) and all((folder / name).is_file() for name in files)


def train_seed(data: FoldData, fabric: Fabric, seed: int, folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Train one seed and write its folder; run.json comes last and says that the run is whole.

    Returns:
        What run.json holds.
    """
    start = time.perf_counter()
    (folder / RUN).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = Network(data.recipe)
    run = {**digests, "engine": str(ENGINE_VERSION), "seed": str(seed)}
    sets = data.sets
    fitted = fit(
        fabric, network, sets["train"], sets.get("val"), data.scales, data.settings, seed, run, folder / CHECKPOINT
    )
    network.load_state_dict(fitted.state)
    save_model(folder, data.recipe, data.scales, fitted.state)
    write_atomic(folder / HISTORY, pd.DataFrame(fitted.history).to_csv(index=False).encode())
    predictions, infer_s = _predictions(data, network, fabric.device, seed)
    buffer = io.BytesIO()
    predictions.to_parquet(buffer, index=False)
    write_atomic(folder / PREDICTIONS, buffer.getvalue())
    facts = _facts(data, fabric.device, seed, digests, network, fitted)
    facts |= {"infer_ms_per_clip": 1000 * infer_s / len(sets["test"]), "wall_s": time.perf_counter() - start}
    write_atomic(folder / RUN, (json.dumps(facts, indent=1) + "\n").encode())
    drop_checkpoint(folder / CHECKPOINT)
    return facts


def _predictions(data: FoldData, network: Network, device: torch.device, seed: int) -> tuple[pd.DataFrame, float]:
    """Probabilities of the validation and the test side, and the seconds that the test side took.

    Where there are several modalities, the test side comes once more without each of them.
    """
    frames, infer_s = [], 0.0
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
            condition = "full" if without is None else f"no_{without}"
            frames.append(_frame(clips, logits, data, seed, side, condition))
    return pd.concat(frames, ignore_index=True), infer_s


def _frame(clips: ClipSet, logits: Tensor, data: FoldData, seed: int, side: str, condition: str) -> pd.DataFrame:
    probabilities = torch.softmax(logits, dim=1).numpy()
    ids = clips.table["clip_id"]
    columns: dict[str, Any] = {
        "unit_id": ids,
        "clip_id": ids,
        "audio_clip_id": ids,
        "speaker": clips.table["speaker"],
        "fold": data.fold,
        "seed": seed,
        "side": side,
        "condition": condition,
        "y": clips.table["label"],
    }
    columns |= {f"p_{label}": probabilities[:, k] for k, label in enumerate(data.recipe.classes)}
    return pd.DataFrame(columns)


def _facts(
    data: FoldData,
    device: torch.device,
    seed: int,
    digests: Mapping[str, str],
    network: Network,
    fitted: Fitted,
) -> dict[str, Any]:
    recipe, validated = data.recipe, "val" in data.sets
    return {
        "cell": data.cell,
        "fold": data.fold,
        "seed": seed,
        "digests": dict(digests),
        "init_from": None,
        "badges": [] if validated else ["no validation side: last epoch"],
        "weights": network.origins,
        "takes": "+".join(dict.fromkeys(recipe.takes.values())),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "chosen_by": f"validation {data.settings.monitor}" if validated else "last epoch",
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "parameters": network.parameters_count,
        "n": {side: len(data.sets.get(side, ())) for side in ("train", "val", "test")},
        "excluded": dict(data.excluded),
        "skipped": dict(data.skipped),
        "skipped_test": data.skipped_test,
        "train_s": fitted.train_s,
        "peak_mem_mb": _peak_mem_mb(device),
    }


def _peak_mem_mb(device: torch.device) -> float:
    """Most memory in use so far: of the GPU, or of this process, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
