"""Where a training run stands after an epoch, so that a killed job goes on as if nothing had happened.

Two files: tensors (safetensors) and the rest (JSON). The JSON names the tensor file and is swapped
last and atomically, so a checkpoint is whole or not there. Nothing is pickled. It is removed when the
run is complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from affectstore.files import write_atomic

_STATE = "state.json"


@dataclass(frozen=True)
class Progress:
    """What of a run is not a tensor.

    Attributes:
        run: digests of what is being trained; a checkpoint of anything else is not used.
        epoch: epochs done.
        best_epoch: the best so far, counted from 1; 0 before any.
        best_score: its score, larger is better, ties broken by the second number.
        history: one row an epoch.
        train_s: seconds of training so far.
    """

    run: Mapping[str, str]
    epoch: int
    best_epoch: int
    best_score: tuple[float, float]
    history: tuple[Mapping[str, float], ...]
    train_s: float


def save_checkpoint(
    folder: Path, progress: Progress, model: nn.Module, optimiser: Optimizer, best: Mapping[str, Tensor]
) -> None:
    """Write where the run stands, and drop the checkpoint before it."""
    state = optimiser.state_dict()
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    numbers: dict[str, dict[str, Any]] = {}
    for parameter, values in state["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimiser.{parameter}.{name}"] = value
            else:
                numbers.setdefault(str(parameter), {})[name] = value
    tensors["generator.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    name = f"epoch-{progress.epoch}.safetensors"
    write_atomic(folder / name, save({key: value.detach().cpu().contiguous() for key, value in tensors.items()}))
    record = {
        "progress": asdict(progress),
        "tensors": name,
        "optimiser": {"groups": state["param_groups"], "numbers": numbers},
    }
    write_atomic(folder / _STATE, json.dumps(record).encode())
    for old in folder.glob("*.safetensors"):
        if old.name != name:
            old.unlink()


def load_checkpoint(
    folder: Path, run: Mapping[str, str], model: nn.Module, optimiser: Optimizer
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Put model, optimiser and random generators where the checkpoint left them.

    A checkpoint of another run, or one that cannot be read, is refused: a line says why, and it is removed.

    Returns:
        The progress and the best weights so far; None where there is no checkpoint of this very run.
    """
    tensors: dict[str, Tensor] = {}
    try:
        record = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        progress = record["progress"]
        refused = _difference(progress["run"], run)
        if not refused:
            tensors = load_file(folder / record["tensors"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        refused = f"cannot be read ({error})" if (folder / _STATE).exists() else ""
    if not tensors:
        if refused:
            print(f"checkpoint {folder} {refused}: it is removed, and the run starts anew", flush=True)
        drop_checkpoint(folder)
        return None
    model.load_state_dict(_under(tensors, "model."))
    values: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in record["optimiser"]["numbers"].items()}
    for name, value in _under(tensors, "optimiser.").items():
        parameter, _, key = name.partition(".")
        values.setdefault(int(parameter), {})[key] = value
    groups = [  # JSON knows no tuples
        {key: tuple(value) if isinstance(value, list) and key != "params" else value for key, value in group.items()}
        for group in record["optimiser"]["groups"]
    ]
    optimiser.load_state_dict({"state": values, "param_groups": groups})
    _lay_out_as_weights(optimiser)
    torch.set_rng_state(tensors["generator.cpu"])
    if "generator.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["generator.cuda"])
    progress["best_score"] = tuple(progress["best_score"])
    progress["history"] = tuple(progress["history"])
    return Progress(**progress), _under(tensors, "best.")


def _difference(found: Mapping[str, str], run: Mapping[str, str]) -> str:
    """What a checkpoint is of that the run is not, or ''."""
    parts = [part for part in {**run, **found} if found.get(part) != run.get(part)]
    said = (f"another {part} ({str(found.get(part))[:12]}, here it is {str(run.get(part))[:12]})" for part in parts)
    return f"is of {', '.join(said)}" if parts else ""


def drop_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


def _lay_out_as_weights(optimiser: Optimizer) -> None:
    """Moments in the memory layout of their weights (channels last, say), as fused steps expect them."""
    for parameter, values in optimiser.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
