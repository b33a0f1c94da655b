"""Checkpoints of a training run, so that a killed job continues as if nothing had happened.

Two files: tensors (safetensors) and the rest (JSON). The JSON names the tensor file and is replaced last and
atomically, so that a checkpoint is complete or absent. Nothing is pickled. It is removed when the run is complete.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from affectstore.files import write_atomic

_STATE = "state.json"
_JSON_FIELDS = ("epoch", "best_epoch", "best_score", "history", "train_s")


@dataclass(frozen=True)
class TrainState:
    """State of training after an epoch, besides the network and the optimiser.

    Attributes:
        epoch: Number of epochs done.
        best_epoch: Best epoch so far, counted from 1; 0 before any.
        best_score: Its score, larger is better, ties broken by the second number.
        history: One row per epoch.
        train_s: Seconds of training so far.
        best_weights: State of the network after the best epoch, on the CPU.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: tuple[float, float] = (-math.inf, -math.inf)
    history: tuple[Mapping[str, float], ...] = ()
    train_s: float = 0.0
    best_weights: Mapping[str, Tensor] = field(default_factory=dict)

    def after_epoch(
        self, row: Mapping[str, float], score: tuple[float, float], train_s: float, network: nn.Module
    ) -> TrainState:
        """State after one more epoch; the network's weights are copied where its score is the best so far."""
        state = replace(self, epoch=self.epoch + 1, history=(*self.history, dict(row)), train_s=self.train_s + train_s)
        if score <= self.best_score:
            return state
        weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        return replace(state, best_epoch=state.epoch, best_score=score, best_weights=weights)


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoint of one run.

    Attributes:
        folder: Folder of its files.
        run: Digests of what is trained; a checkpoint of anything else is not used.
    """

    folder: Path
    run: Mapping[str, str]

    def save(self, state: TrainState, model: nn.Module, optimizer: Optimizer) -> None:
        """Write the state of training, and remove the checkpoint before it."""
        optimizer_state = optimizer.state_dict()
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
        numbers: dict[str, dict[str, Any]] = {}
        for parameter, values in optimizer_state["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{parameter}.{name}"] = value
                else:
                    numbers.setdefault(str(parameter), {})[name] = value
        tensors["generator.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["generator.cuda"] = torch.cuda.get_rng_state()
        name = f"epoch-{state.epoch}.safetensors"
        contents = save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
        write_atomic(self.folder / name, contents)
        record = {
            "run": dict(self.run),
            "state": {key: getattr(state, key) for key in _JSON_FIELDS},
            "tensors": name,
            "optimizer": {"groups": optimizer_state["param_groups"], "numbers": numbers},
        }
        write_atomic(self.folder / _STATE, json.dumps(record).encode())
        for old in self.folder.glob("*.safetensors"):
            if old.name != name:
                old.unlink()

    def load(self, model: nn.Module, optimizer: Optimizer) -> TrainState | None:
        """Restore model, optimiser and random generators.

        A checkpoint of another run, or one that cannot be read, is refused: a line says why, and it is removed.

        Returns:
            The state of training; None where there is no checkpoint of this very run.
        """
        record, tensors = self._read()
        if not tensors:
            self.remove()
            return None
        model.load_state_dict(_with_prefix(tensors, "model."))
        values: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in record["optimizer"]["numbers"].items()}
        for name, value in _with_prefix(tensors, "optimizer.").items():
            parameter, _, key = name.partition(".")
            values.setdefault(int(parameter), {})[key] = value
        groups = [  # JSON knows no tuples
            {key: tuple(x) if isinstance(x, list) and key != "params" else x for key, x in group.items()}
            for group in record["optimizer"]["groups"]
        ]
        optimizer.load_state_dict({"state": values, "param_groups": groups})
        _match_memory_format(optimizer)
        torch.set_rng_state(tensors["generator.cpu"])
        if "generator.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["generator.cuda"])
        fields: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in record["state"].items()}
        print(f"resuming after epoch {fields['epoch']}", flush=True)
        return TrainState(**fields, best_weights=_with_prefix(tensors, "best."))

    def remove(self) -> None:
        """Remove the checkpoint, if there is one."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Record and tensors; no tensors where there is none that can be used."""
        path = self.folder / _STATE
        record: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            refused = _difference(record["run"], self.run)
            if not refused:
                tensors = load_file(self.folder / record["tensors"])
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            refused = f"cannot be read ({error})" if path.exists() else ""
        if refused:
            print(f"checkpoint {self.folder} {refused}: it is removed, and the run starts anew", flush=True)
        return record, tensors


def _difference(found: Mapping[str, str], run: Mapping[str, str]) -> str:
    """Digests in which a checkpoint differs from the run, in words; empty where there are none."""
    parts = [part for part in {**run, **found} if found.get(part) != run.get(part)]
    differ = (f"another {part} ({str(found.get(part))[:12]}, here it is {str(run.get(part))[:12]})" for part in parts)
    return f"is of {', '.join(differ)}" if parts else ""


def _match_memory_format(optimizer: Optimizer) -> None:
    """Store moments in the memory format of their weights (channels last, for example), as fused steps expect them."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
