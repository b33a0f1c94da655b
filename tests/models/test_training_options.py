"""Training options that compose with any cell: losses, schedules, resuming, clips without labels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from support.training import facts, history, training
from torch import nn

from affectstore.config.experiment import Experiment
from affectstore.config.training import Augmentation, Schedule, Training
from affectstore.models.spec import FUSIONS, FusionOptions, TrainingError
from affectstore.models.training import evaluate, trainer
from affectstore.models.training.loader import prefetch
from affectstore.models.training.optim import learning_rate_at
from affectstore.models.training.trainer import Trainer

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "sharing": "separate"}
CONCAT, PROBE = {**BOTH, "fusion": "concat"}, {**BOTH, "fusion": "probe"}
AUGMENT = {"flip": 0.5, "crop": 0.7, "brightness": 0.3, "time_masks": 1, "freq_masks": 2}


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def torchs(kind: str, losses: list[float], schedule: Schedule, epochs: int) -> list[float]:
    """Learning rate of each epoch, by torch's schedulers."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    steps: Any = {
        "plateau": lambda: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=schedule.factor, patience=schedule.patience, min_lr=schedule.min_lr, eps=0
        ),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, eta_min=schedule.min_lr),
        "step": lambda: torch.optim.lr_scheduler.StepLR(optimiser, schedule.every, schedule.factor),
    }[kind]()
    rates = []
    for loss in losses:
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        steps.step(*([loss] if kind == "plateau" else []))
    return rates


@pytest.mark.parametrize("kind", ["plateau", "cosine", "step"])
@given(losses=st.lists(st.sampled_from([3.0, 2.0, 1.9999, 1.0, 0.5]), min_size=1, max_size=25), data=st.data())
@settings(max_examples=40, deadline=None)
def test_rates_are_those_of_torchs_schedulers(kind: str, losses: list[float], data: Any) -> None:
    schedule = Schedule(
        kind=kind,
        factor=data.draw(st.sampled_from([0.1, 0.5])),
        patience=data.draw(st.integers(0, 3)),
        every=data.draw(st.integers(1, 5)),
        min_lr=0.0 if kind == "step" else data.draw(st.sampled_from([0.0, 1e-3])),
    )
    chosen = Training(learning_rate=0.5, epochs=len(losses), schedule=schedule)
    rows = [{"train_loss": -1.0, "val_loss": loss} for loss in losses]
    rates = [learning_rate_at(chosen, rows[:k]) for k in range(len(losses))]
    np.testing.assert_allclose(rates, torchs(kind, losses, schedule, len(losses)), rtol=1e-9, atol=1e-12)


def test_warmup_increases_in_equal_steps_before_the_schedule_begins() -> None:
    chosen = Training(learning_rate=1.0, epochs=10, schedule=Schedule(kind="cosine", warmup_epochs=3))
    rates = [learning_rate_at(chosen, [{"train_loss": 1.0}] * k) for k in range(10)]
    np.testing.assert_allclose(rates[:4], [0.25, 0.5, 0.75, 1.0])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    flat = Training(learning_rate=1.0, schedule=Schedule(warmup_epochs=1))
    assert [learning_rate_at(flat, [{"train_loss": 1.0}] * k) for k in range(3)] == [0.5, 1.0, 1.0]


def test_without_a_validation_subset_plateaus_are_those_of_the_training_loss() -> None:
    chosen = Training(learning_rate=1.0, schedule=Schedule(kind="plateau", patience=0))
    assert learning_rate_at(chosen, [{"train_loss": 1.0}, {"train_loss": 1.0}]) == pytest.approx(0.1)
    assert learning_rate_at(chosen, [{"train_loss": 1.0}, {"train_loss": 0.5}]) == 1.0


def test_the_learning_rate_reaches_the_optimiser_and_the_history(bench: Any, fake: Any) -> None:
    chosen = training(optimizer="sgd", schedule={"kind": "step", "every": 2, "factor": 1e-9})
    rows = history(bench.train(fake.experiment(AUDIO, train=chosen)))
    np.testing.assert_allclose(rows["learning_rate"], [1e-2, 1e-2, 1e-11, 1e-11])
    assert rows["val_loss"][1] != rows["val_loss"][0]
    assert rows["val_loss"][3] == pytest.approx(rows["val_loss"][2], abs=1e-6)


def test_overrides_within_settings_replace_only_the_keys_they_set() -> None:
    experiment = Experiment(
        title="t",
        corpus="synthetic",
        cells=({**AUDIO, "train": {"schedule": {"patience": 2}, "augment": {"flip": 0.5}}},),
        train={"schedule": {"kind": "plateau", "factor": 0.5}, "augment": {"crop": 0.8}, "epochs": 3},
    )
    chosen = experiment.training_of(experiment.cells[0])
    assert chosen.schedule == Schedule(kind="plateau", factor=0.5, patience=2)
    assert chosen.augment == Augmentation(flip=0.5, crop=0.8)
    assert chosen.epochs == 3
    again = Experiment(**experiment.model_dump(mode="json"))
    assert again.training_of(again.cells[0]) == chosen


def test_a_modality_that_a_fusion_ignores_on_purpose_stops_nothing(
    bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = {**BOTH, "fusion": "joint_loss", "fusion_options": {"predict": "first"}}
    folder = bench.train(fake.experiment(cell, train=training(epochs=1)))
    assert {"train_loss_audio", "train_loss_vision"} <= set(history(folder).columns)

    def load(name: str) -> SimpleNamespace:  # options of which every modality is used
        return SimpleNamespace(SPEC=FUSIONS.load(name).SPEC, Options=lambda **_: FusionOptions())

    monkeypatch.setattr(evaluate, "FUSIONS", SimpleNamespace(load=load))
    with pytest.raises(TrainingError, match="vision does not change the logits"):
        bench.train(fake.experiment(cell, train=training(epochs=1)), "strict")


def test_a_fusion_that_could_not_be_calibrated_is_noted(bench: Any, fake: Any) -> None:
    cell = {**BOTH, "fusion": "stacked"}
    assert FUSIONS.load("stacked").SPEC.calibrates
    assert facts(bench.train(fake.experiment(cell, train=training(epochs=1)), "calibrated"))["badges"] == []
    bench.split.loc[bench.split["subset"] == "val", "subset"] = "train"
    badges = facts(bench.train(fake.experiment(cell, train=training(epochs=1))))["badges"]
    assert badges == ["no validation subset: last epoch", "not calibrated: no validation subset"]


RESUMED = {
    "everything": (
        CONCAT,
        {
            "augment": AUGMENT,
            "label_smoothing": 0.1,
            "class_weights": "balanced",
            "schedule": {"kind": "plateau", "patience": 0, "factor": 0.5},
            "learning_rate": 0.3,
            "tricks": {"modality_dropout": {"rate": 0.3}, "mixup": {"alpha": 0.4}, "ogm_ge": {}},
        },
    ),
    "blending": (PROBE, {"tricks": {"g_blending": {"every": 1}}, "schedule": {"kind": "cosine", "warmup_epochs": 1}}),
    "channels_last": (
        {"modalities": ["vision"], "encoder": "simple3d"},
        {"channels_last": True, "schedule": {"kind": "step", "every": 2}},
    ),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_stopped_run_resumes_to_the_same_bits_with_every_option(
    name: str, bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, chosen = RESUMED[name]
    experiment = fake.experiment(cell, train=training(**chosen))
    whole = bench.train(experiment, "whole")
    real, calls = Trainer.train_epoch, iter(range(9))

    def stop_in_the_fourth(*args: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(trainer, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr(Trainer, "train_epoch", stop_in_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        bench.train(experiment, "stopped")
    monkeypatch.setattr(Trainer, "train_epoch", real)
    stopped = bench.train(experiment, "stopped")
    assert weights(stopped) == weights(whole)
    timeless = history(whole).columns.drop(["seconds", "clips_per_s"])
    pd.testing.assert_frame_equal(history(stopped)[timeless], history(whole)[timeless])
    rates = history(whole)["learning_rate"]
    assert rates.nunique() > 1
    again = bench.train(experiment, "again")
    assert weights(again) == weights(whole)


def without_labels(bench: Any, count: int) -> list[str]:
    """Remove the labels of some training clips; half of them are in a subset of their own."""
    ids = bench.split.loc[bench.split["subset"] == "train", "clip_id"].tolist()[:count]
    bench.store.clips.loc[bench.store.clips["clip_id"].isin(ids), "label_intended"] = None
    bench.split.loc[bench.split["clip_id"].isin(ids[: count // 2]), "subset"] = "unlabelled"
    return ids


def test_clips_without_labels_are_trained_on_where_a_fusion_can(
    bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = FUSIONS.load("joint_loss")
    monkeypatch.setitem(vars(declared), "SPEC", replace(declared.SPEC, uses_unlabelled=True))
    bare = without_labels(bench, 4)
    cell = {**BOTH, "fusion": "joint_loss", "fusion_options": {"similarity": 1.0}}
    chosen = training(batch_size=2, epochs=2)
    folders = {
        use: bench.train(fake.experiment(cell, train=chosen | {"unlabelled": use}), str(use)) for use in (True, False)
    }
    assert facts(folders[True])["n"] == {"train": 8, "val": 6, "test": 6, "unlabelled": 4}
    assert facts(folders[False])["n"] == {"train": 8, "val": 6, "test": 6}
    assert facts(folders[True])["excluded"] == {}
    assert sum(facts(folders[False])["excluded"].values()) == 4
    assert weights(folders[True]) != weights(folders[False])
    rows = history(folders[True])
    assert rows.notna().all(axis=None)
    assert (rows["train_accuracy"] <= 1).all()
    assert set(pd.read_parquet(folders[True] / "predictions.parquet")["clip_id"]).isdisjoint(bare)
    for feature in bench.store.features.values():  # their values matter, and their labels never
        for clip_id in bare:
            feature.arrays[clip_id] = np.zeros_like(feature.arrays[clip_id])
    assert weights(bench.train(fake.experiment(cell, train=chosen | {"unlabelled": True}), "x")) != weights(
        folders[True]
    )


@pytest.mark.parametrize("cell", [{"modalities": ["vision"], "encoder": "image_cnn"}, CONCAT], ids=["2d", "3d"])
def test_channels_last_changes_nothing_but_rounding(cell: dict[str, Any], bench: Any, fake: Any) -> None:
    chosen = training(epochs=1, batch_size=12, optimizer="sgd", learning_rate=1e-3)
    plain = load_file(bench.train(fake.experiment(cell, train=chosen), "plain") / "model.safetensors")
    last = load_file(bench.train(fake.experiment(cell, train=chosen | {"channels_last": True})) / "model.safetensors")
    for name, value in plain.items():
        torch.testing.assert_close(last[name], value, rtol=1e-3, atol=1e-4)


def test_a_compiled_network_trains_to_the_same_within_rounding(
    bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []
    real = torch.compile

    def traced(network: nn.Module, **options: Any) -> Any:  # without the C++ compiler, which takes minutes
        compiled.append(network)
        return real(network, **{**options, "backend": "eager"})

    monkeypatch.setattr(torch, "compile", traced)
    chosen = training(epochs=1, batch_size=12, optimizer="sgd")
    plain = load_file(bench.train(fake.experiment(PROBE, train=chosen), "plain") / "model.safetensors")
    assert compiled == []
    same = load_file(bench.train(fake.experiment(PROBE, train=chosen | {"compile": True})) / "model.safetensors")
    assert compiled
    assert same.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(same[name], value, rtol=1e-4, atol=1e-6)


def test_prefetching_keeps_the_order_and_passes_errors_on() -> None:
    made: list[int] = []

    def make(place: int) -> int:
        if place == 3:
            raise ValueError("no such place")
        made.append(place)
        return -place

    assert list(prefetch(make, [2, 0, 1])) == [-2, 0, -1]
    assert list(prefetch(make, [])) == []
    with pytest.raises(ValueError, match="no such place"):
        list(prefetch(partial(make), [0, 3, 1]))
