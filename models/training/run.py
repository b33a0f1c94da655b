"""One run of a network: trained with one seed, its epoch chosen on validation, predicted once, and written."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric

from affectstore.config.experiment import Cell, Experiment
from affectstore.models.cells.options import pretrained_digests, trick_options
from affectstore.models.cells.parents import ParentRuns
from affectstore.models.cells.recipe import Recipe, recipe_for
from affectstore.models.data.fold import FoldData
from affectstore.models.network import Network
from affectstore.models.run_files import (
    begin_run,
    common_facts,
    cpu_name,
    finish_run,
    peak_memory_mb,
    write_history,
    write_predictions,
)
from affectstore.models.seed_runner import SeedRunner
from affectstore.models.spec import ENCODERS, TRAINING_VERSION, TRICKS, EncoderOptions
from affectstore.models.training.checkpoint import Checkpoint
from affectstore.models.training.evaluate import calibrate, calibrates, predict_subsets
from affectstore.models.training.machine import reset_peak_memory
from affectstore.models.training.optim import set_memory_format
from affectstore.models.training.saved_model import load_model, save_model
from affectstore.models.training.trainer import FitResult, Trainer
from affectstore.models.training.trick import Trick, TrickSetup
from affectstore.models.training.warm_start import encoder_states, start_from, teacher_logits

CHECKPOINT = "checkpoint"

_PACKAGES = ("affectstore", "torch", "torchvision", "lightning-fabric", "numpy")

T = TypeVar("T")


class NetworkRunner(SeedRunner):
    """Runs of networks.

    Args:
        experiment: The experiment.
        data: Data that all seeds and combinations share.
        dims: Feature instance -> values of each row, for those that are read as sequences.
        fabric: Device, precision and processes.
    """

    def __init__(self, experiment: Experiment, data: FoldData, dims: Mapping[str, int], fabric: Fabric) -> None:
        self.experiment, self.data, self.dims, self.fabric = experiment, data, dims, fabric
        self.is_global_zero = fabric.is_global_zero

    def run(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Train one seed, predict the validation and the test subset, and write its folder."""
        data = self._data_of(cell)

        def predict(network: Network, _: FitResult) -> dict[str, Any]:
            return self._predict(data, network, seed, folder)

        return self._run(cell, data, seed, folder, digests, predict)

    def trial(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str]) -> Mapping[str, Any] | None:
        """Train one seed without predictions, as a combination of a grid."""
        return self._run(cell, self._data_of(cell), seed, folder, digests, _validation_scores)

    def predict(self, cell: Cell, seed: int, folder: Path) -> Mapping[str, Any]:
        """Predict with the trained network in a folder, and write the predictions beside it."""
        data = self._data_of(cell)
        network, _ = load_model(folder)
        set_memory_format(network, data.settings)
        return self._predict(data, network.to(self.fabric.device), seed, folder)

    def log_line(self, facts: Mapping[str, Any]) -> str:
        """Chosen epoch."""
        return f"epoch {facts['best_epoch']} of {facts['epochs']} chosen"

    def broadcast(self, value: T) -> T:
        """Value of the first process, in all processes."""
        return self.fabric.broadcast(value)

    def _data_of(self, cell: Cell) -> FoldData:
        """Data with the recipe and the settings of a combination."""
        recipe = recipe_for(self.experiment, cell, self.data.recipe.classes, self.dims)
        return replace(self.data, recipe=recipe, settings=self.experiment.training_of(cell))

    def _run(
        self,
        cell: Cell,
        data: FoldData,
        seed: int,
        folder: Path,
        digests: Mapping[str, str],
        then: Callable[[Network, FitResult], dict[str, Any]],
    ) -> dict[str, Any] | None:
        """Train, call `then` for further facts, and write run.json last."""
        start = time.perf_counter()
        begin_run(folder)
        reset_peak_memory(self.fabric.device)
        trained = self._train(cell, data, seed, folder, digests)
        if trained is None:
            return None
        network, fitted, facts = trained
        facts |= then(network, fitted)
        facts |= {"peak_mem_mb": _peak_memory_mb(self.fabric.device), "wall_s": time.perf_counter() - start}
        finish_run(folder, facts)
        Checkpoint(folder / CHECKPOINT, {}).remove()
        return facts

    def _train(
        self, cell: Cell, data: FoldData, seed: int, folder: Path, digests: Mapping[str, str]
    ) -> tuple[Network, FitResult, dict[str, Any]] | None:
        """Fit a network, save it with its history, and collect its facts; None in processes that only help the
        first.
        """
        device = self.fabric.device
        states = encoder_states(data.init_from, seed)
        logits = teacher_logits(data.teachers, seed, data.clips["train"], data.settings.batch_size, device)
        pretrained = pretrained_digests(_encoder_options(data.recipe))  # of the files as they are loaded
        torch.manual_seed(seed)
        network = Network(data.recipe)
        start_from(network, states)
        tricks = self._tricks(cell, TrickSetup(data.recipe.modalities, logits))
        trainer = Trainer(self.fabric, network, data, seed, tricks)
        run = {**digests, "training": str(TRAINING_VERSION), "seed": str(seed)}
        fitted = trainer.fit(Checkpoint(folder / CHECKPOINT, run))
        if not self.fabric.is_global_zero:
            return None
        network.load_state_dict(fitted.weights)
        calibrate(network, data, device)
        save_model(folder, data.recipe, data.scales, network.state_dict(), digests)
        write_history(folder, fitted.history)
        return network, fitted, _facts(data, device, seed, digests, network, fitted, pretrained)

    def _tricks(self, cell: Cell, setup: TrickSetup) -> list[Trick]:
        options = trick_options(self.experiment, cell)
        return [TRICKS.load(name).build(one, setup) for name, one in options.items()]

    def _predict(self, data: FoldData, network: Network, seed: int, folder: Path) -> dict[str, Any]:
        predictions, infer_s = predict_subsets(network, data, self.fabric.device, seed)
        write_predictions(folder, predictions)
        return {"infer_ms_per_clip": 1000 * infer_s / len(data.clips["test"])}


def _validation_scores(_network: Network, fitted: FitResult) -> dict[str, Any]:
    """Scores of the chosen epoch on the validation subset."""
    chosen = fitted.history[fitted.best_epoch - 1]
    return {"validation": {name: chosen[f"val_{name}"] for name in ("loss", "uar", "accuracy")}}


def _facts(
    data: FoldData,
    device: torch.device,
    seed: int,
    digests: Mapping[str, str],
    network: Network,
    fitted: FitResult,
    pretrained: Mapping[str, str],
) -> dict[str, Any]:
    validated = "val" in data.clips
    badges = [] if validated else ["no validation subset: last epoch"]
    if calibrates(data.recipe) and not validated:
        badges.append("not calibrated: no validation subset")
    if data.recipe.instances:
        badges.append("one modality at a time")
    sources = {m: one.pretrained_source for m, one in _encoder_options(data.recipe).items()}
    return common_facts(data.facts, seed, digests, badges, _PACKAGES) | {
        "weights": sources | {m: f"{parent.cell}'s" for m, parent in data.init_from.items()},
        "weights_digests": {m: sha256 for m, sha256 in pretrained.items() if m not in data.init_from},
        "init_from": _parent_facts(data.init_from, seed),
        "teachers": _parent_facts(data.teachers, seed),
        "input_kind": "+".join(dict.fromkeys(data.recipe.input_kinds.values())),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
        "threads": torch.get_num_threads(),
        "chosen_by": f"validation {data.settings.monitor}" if validated else "last epoch",
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "parameters": network.num_parameters,
        "train_s": fitted.train_s,
        "train_ms_per_clip": 1000 * fitted.train_s / (len(fitted.history) * len(data.clips["train"])),
    }


def _encoder_options(recipe: Recipe) -> dict[str, EncoderOptions]:
    """Modality -> options of its encoder."""
    return {m: ENCODERS.load(part.name).Options(**part.options) for m, part in recipe.encoders.items()}


def _parent_facts(parents: Mapping[str, ParentRuns], seed: int) -> dict[str, Any] | None:
    """Facts about the cells that a run started or learned from."""
    return {
        m: {"cell": parent.cell, "digests": dict(parent.digests), "weights": parent.weights[seed]}
        for m, parent in parents.items()
    } or None


def _peak_memory_mb(device: torch.device) -> float:
    """Peak memory, in MiB: of the GPU in this run, or of this process so far.

    A process keeps the memory that it frees (see `keep_freed_memory`), so on the CPU no run of several in a job has a
    peak of its own.
    """
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_memory_mb()
