"""Every file of models/tricks/ keeps its contract: declaration, hooks, training to the same bits after an interruption.

A new file is tested by being there. Their numbers: test_augmentation.py, test_balance.py, test_parents.py.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training import interrupted_in_step
from torch import Tensor

from affectstore.config.experiment import Experiment
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.batch import Batch, compute_scales
from affectstore.models.data.dataset import load_clips
from affectstore.models.data.fold import FoldData, select_clips
from affectstore.models.data.rng import RngStreams
from affectstore.models.modules import Criterion, FusionContext, Output
from affectstore.models.network import Network
from affectstore.models.run_files import FoldFacts
from affectstore.models.spec import FUSIONS, TRICKS, TrickSpec, TrickUse
from affectstore.models.training import trainer as trainer_module
from affectstore.models.training.checkpoint import Checkpoint
from affectstore.models.training.distributed import make_fabric
from affectstore.models.training.loader import training_batches
from affectstore.models.training.trainer import FitResult, Trainer
from affectstore.models.training.trick import Losses, Trick, TrickSetup

CLASSES = ("ANG", "HAP", "SAD")
MODALITIES = ("audio", "vision")
CONCAT = {"modalities": MODALITIES, "encoder": "simple3d", "fusion": "concat", "sharing": "separate"}
TEACHERS = {modality: f"simple3d-{modality}" for modality in MODALITIES}
#: Cells that a trick may be for; the first one that it can be used in is trained here.
CELLS = (CONCAT, {**CONCAT, "fusion": "distilled_probe", "teachers": TEACHERS})
ALONE = tuple({"modalities": [modality], "encoder": "simple3d"} for modality in MODALITIES)
HOOKS = ("on_start", "on_epoch", "on_batch", "on_context", "losses", "on_gradients", "on_validation")
#: Columns of the history that differ from run to run.
TIMES = ("seconds", "clips_per_s")

every = pytest.mark.parametrize("name", TRICKS.names())


def use_of(cell: Mapping[str, Any]) -> TrickUse:
    return TrickUse(
        modalities=MODALITIES,
        known_modalities=MODALITIES,
        fusion=FUSIONS.load(cell["fusion"]).SPEC,
        fusion_name=cell["fusion"],
        sharing=cell["sharing"],
        unlabelled=False,
        teachers=tuple(cell.get("teachers", ())),
    )


def cell_for(name: str) -> dict[str, Any]:
    """The cell that a trick is trained in."""
    fits = [cell for cell in CELLS if TRICKS.load(name).Options().problem(use_of(cell)) is None]
    return dict(fits[0])


def experiment_of(cell: Mapping[str, Any], tricks: Mapping[str, Any], fake: Any, **train: Any) -> Experiment:
    """An experiment of a cell and its teachers, the cell first."""
    settings = {"learning_rate": 1e-2, "batch_size": 5, "epochs": 4, "tricks": dict(tricks)} | train
    made: Experiment = fake.experiment({**cell, "train": settings})
    teachers = fake.experiment(ALONE[0]).cells + fake.experiment(ALONE[1]).cells
    return made.model_copy(update={"cells": (*made.cells, *teachers)})


def build(name: str, clips: int = 12) -> Trick:
    """A trick with its default options, and teachers with random logits."""
    generator = torch.Generator().manual_seed(0)
    logits = {m: torch.randn(clips, len(CLASSES), generator=generator) for m in MODALITIES}
    declared = TRICKS.load(name)
    trick: Trick = declared.build(declared.Options(), TrickSetup(MODALITIES, logits))
    return trick


def make_data(cell: Mapping[str, Any], fake: Any, folder: Path, **train: Any) -> FoldData:
    """Small clips of one fold."""
    experiment, store = experiment_of(cell, {}, fake, **train), fake.store()
    recipe = recipe_for(experiment, experiment.cells[0], CLASSES)
    split = fake.split(store)[["clip_id", "subset", "reason"]]
    tables = select_clips(store, split, experiment, recipe, "test").subsets
    clips = {subset: load_clips(store, recipe, table, folder) for subset, table in tables.items()}
    facts = FoldFacts("cell", 0, {subset: len(table) for subset, table in tables.items()}, {}, {}, 0)
    settings = experiment.training_of(experiment.cells[0])
    return FoldData(facts, recipe, settings, clips, compute_scales(clips["train"], recipe))


def make_trainer(data: FoldData, tricks: list[Trick]) -> Trainer:
    torch.manual_seed(0)
    fabric = make_fabric(data.settings.precision, "cpu", 1)
    return Trainer(fabric, Network(data.recipe), data, seed=0, tricks=tricks)


def fit(data: FoldData, tricks: list[Trick], folder: Path) -> FitResult:
    return make_trainer(data, tricks).fit(Checkpoint(folder, {"config": "c"}))


def of_history(result: FitResult) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in result.history]


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


@every
def test_a_trick_is_declared_completely(name: str) -> None:
    declared = TRICKS.load(name)
    assert isinstance(declared.SPEC, TrickSpec)
    assert declared.SPEC.version >= 1
    assert declared.SPEC.summary
    assert declared.SPEC.paper
    assert set(declared.SPEC.conflicts) <= set(TRICKS.names()) - {name}
    for field in declared.Options.model_fields.values():
        assert field.description
    options = declared.Options()
    assert declared.Options(**options.model_dump(mode="json")) == options
    assert isinstance(build(name), Trick)
    assert declared.SPEC.replaces_loss == (type(build(name)).losses is not Trick.losses)


@every
def test_hooks_are_those_of_the_base_class(name: str) -> None:
    trick = build(name)
    own = [hook for hook in HOOKS if getattr(type(trick), hook) is not getattr(Trick, hook)]
    assert own, "a trick has at least one hook"
    for hook in own:
        expected, found = (inspect.signature(getattr(kind, hook)) for kind in (Trick, type(trick)))
        assert list(found.parameters) == list(expected.parameters)
    public = {method for method in vars(type(trick)) if method.startswith(("on_", "losses"))}
    assert public <= set(HOOKS)


@every
def test_every_hook_can_be_called(name: str, fake: Any, tmp_path: Path) -> None:
    data, trick, rng = make_data(cell_for(name), fake, tmp_path), build(name), RngStreams(0, 1, 0)
    trainer = make_trainer(data, [trick])  # calls on_start
    columns = trick.on_epoch([])
    before = next(training_batches(trainer.batches["train"], trainer.settings.batch_size, rng))
    batch = trick.on_batch(before, rng)
    assert isinstance(batch, Batch)
    assert torch.equal(batch.labels, before.labels)
    assert torch.equal(batch.places, before.places)
    for modality, value in before.values.items():
        assert batch.values[modality].shape == value.shape
        assert batch.values[modality].dtype == value.dtype
        assert batch.masks[modality].shape == before.masks[modality].shape
    criterion = Criterion(trainer.loss, batch.labels, batch.mixed_labels, batch.mix_ratio)
    context = trick.on_context(FusionContext(criterion), batch)
    assert isinstance(context, FusionContext)
    trainer.model.train()
    output: Output = trainer.model(
        batch.values, batch.masks, context, spans=batch.spans, return_unimodal=trainer.return_unimodal
    )
    assert trainer.return_unimodal == trick.needs_unimodal_logits
    assert list(output.unimodal_logits) == (list(MODALITIES) if trick.needs_unimodal_logits else [])
    losses = trick.losses(output, criterion)
    if losses is not None:
        assert isinstance(losses, Losses)
        assert losses.total.shape == ()
        assert losses.total.isfinite()
    trainer.fabric.backward(trainer.losses(output, criterion, 1.0).total)
    columns |= trick.on_gradients(trainer.trick_context, output, batch, rng)
    assert all(p.grad is None or p.grad.isfinite().all() for p in trainer.network.parameters())
    columns |= trick.on_validation(trainer.trick_context, 1)
    assert all(isinstance(column, str) and np.isfinite(value) for column, value in columns.items())


@every
def test_random_numbers_follow_from_seed_epoch_and_step(name: str, fake: Any, tmp_path: Path) -> None:
    """Torch's and NumPy's global generators are neither used nor moved."""
    data, rng = make_data(cell_for(name), fake, tmp_path), RngStreams(0, 1, 0)
    trainer = make_trainer(data, [])
    batch = next(training_batches(trainer.batches["train"], trainer.settings.batch_size, rng))
    changed = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        changed.append(build(name).on_batch(batch, rng))
        assert torch.equal(torch.get_rng_state(), states[0])
        assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert same(changed[0].values, changed[1].values)
    assert same(changed[0].masks, changed[1].masks)
    assert changed[0].mix_ratio == changed[1].mix_ratio


@every
def test_a_stopped_run_resumes_to_the_very_same_weights(
    name: str, fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_data(cell_for(name), fake, tmp_path / "data")
    whole = fit(data, [build(name)], tmp_path / "whole")
    assert len(whole.history) == 4
    monkeypatch.setattr(trainer_module, "CHECKPOINT_INTERVAL_S", 0.0)
    with interrupted_in_step(3 + 3 + 1):  # two epochs of three batches, one batch of the third
        fit(data, [build(name)], tmp_path / "stopped")
    resumed = fit(data, [build(name)], tmp_path / "stopped")
    assert same(resumed.weights, whole.weights)
    assert resumed.best_epoch == whole.best_epoch
    assert of_history(resumed) == of_history(whole)
    assert all(np.isfinite(value) for row in of_history(whole) for value in row.values())


@every
def test_it_changes_training_and_keeps_the_columns_of_the_history(name: str, fake: Any, tmp_path: Path) -> None:
    data = make_data(cell_for(name), fake, tmp_path / "data")
    plain, changed = (fit(data, tricks, tmp_path / str(len(tricks))) for tricks in ([], [build(name)]))
    assert not same(changed.weights, plain.weights)
    columns = [set(result.history[0]) for result in (plain, changed)]
    shared = {column for column in columns[0] if not column.startswith("train_loss_")}  # parts of the loss may differ
    assert shared <= columns[1]
    for row in changed.history:
        assert row["train_loss"] > 0
        assert 0 <= row["train_accuracy"] <= 1


@every
def test_it_runs_in_half_precision(name: str, fake: Any, tmp_path: Path) -> None:
    data = make_data(cell_for(name), fake, tmp_path / "data", precision="bf16-mixed", epochs=2)
    result = fit(data, [build(name)], tmp_path / "run")
    assert {value.dtype for value in result.weights.values() if value.is_floating_point()} == {torch.float32}
    assert all(np.isfinite(value) for row in of_history(result) for value in row.values())


@every
def test_a_cell_may_name_it_and_conflicts_are_refused(name: str, fake: Any) -> None:
    cell = cell_for(name)
    experiment = experiment_of(cell, {name: {}}, fake)
    assert cell_problem(experiment, experiment.cells[0]) is None
    for other in TRICKS.load(name).SPEC.conflicts:
        both = experiment_of(cell, {name: {}, other: {}}, fake)
        reason = str(cell_problem(both, both.cells[0]))
        assert f"`{name}`" in reason
        assert f"`{other}`" in reason
        assert "cannot be combined" in reason
        assert reason.endswith("choose one of them")
    wrong = experiment_of(cell, {name: {"no_such_option": 1}}, fake)
    reason = str(cell_problem(wrong, wrong.cells[0]))
    assert f"options of trick {name!r}" in reason
    assert "no_such_option: unknown key" in reason


def test_two_tricks_that_replace_the_loss_are_refused_before_training(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = TRICKS.load("mixup")
    monkeypatch.setitem(vars(declared), "SPEC", dataclasses.replace(declared.SPEC, replaces_loss=True))
    experiment = experiment_of(CONCAT, {"mixup": {}, "g_blending": {}}, fake)
    reason = "tricks `g_blending` and `mixup` each replace the loss; choose one of them"
    assert cell_problem(experiment, experiment.cells[0]) == reason


def test_all_tricks_without_conflicts_are_trained_together(fake: Any, tmp_path: Path) -> None:
    """In the order of their names; for every trick the largest such set, and none is left out of all sets."""
    trained: set[str] = set()
    for name in TRICKS.names():
        chosen = [name]
        for other in TRICKS.names():
            fits = TRICKS.load(other).Options().problem(use_of(cell_for(name))) is None
            apart = any(
                other in TRICKS.load(one).SPEC.conflicts or one in TRICKS.load(other).SPEC.conflicts for one in chosen
            )
            if other not in chosen and fits and not apart:
                chosen.append(other)
        data = make_data(cell_for(name), fake, tmp_path / name, epochs=2)
        result = fit(data, [build(one) for one in sorted(chosen)], tmp_path / f"run-{name}")
        assert all(np.isfinite(value) for row in of_history(result) for value in row.values())
        trained |= set(chosen)
    assert trained == set(TRICKS.names())


def test_an_unknown_trick_is_named_with_the_known_ones(fake: Any) -> None:
    experiment = experiment_of(CONCAT, {"mixupp": {}}, fake)
    reason = str(cell_problem(experiment, experiment.cells[0]))
    assert "unknown trick 'mixupp'" in reason
    assert "Did you mean 'mixup'?" in reason
