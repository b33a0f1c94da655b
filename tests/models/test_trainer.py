"""The trainer: order of clips, choice of the epoch, resuming, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from support.metrics import evaluate
from support.training import facts, history, interrupted_in_step, training

from affectstore.config.training import Training
from affectstore.errors import ConfigError
from affectstore.models.encoders.resnet18 import Options, ResNet18
from affectstore.models.fusions.channel import ChannelFusion
from affectstore.models.spec import ImageShape, TrainingError
from affectstore.models.training import trainer
from affectstore.models.training.checkpoint import Checkpoint, TrainState
from affectstore.models.training.evaluate import score_logits
from affectstore.models.training.loader import bucketed_batches

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "channel"}
IMAGE = {"modalities": ["vision"], "encoder": "resnet18"}


@settings(deadline=None)
@given(clips=st.integers(1, 60), size=st.integers(1, 20), seed=st.integers(0, 9), epoch=st.integers(1, 9))
def test_an_epoch_has_every_clip_once(clips: int, size: int, seed: int, epoch: int) -> None:
    parts = list(bucketed_batches(clips, size, seed, epoch))
    assert sorted(np.concatenate(parts).tolist()) == list(range(clips))
    assert all(len(part) <= size + 1 for part in parts)
    if clips > 1 and size > 1:
        assert min(map(len, parts)) > 1  # batch normalisation cannot use a single clip
    for part, again in zip(parts, bucketed_batches(clips, size, seed, epoch), strict=True):
        assert np.array_equal(part, again)


def test_every_epoch_and_seed_has_its_own_order() -> None:
    orders = {tuple(np.concatenate(list(bucketed_batches(30, 4, *key)))) for key in ((0, 1), (0, 2), (1, 1), (1, 2))}
    assert len(orders) == 4


LOGITS = st.integers(-900, 900).map(lambda hundredths: hundredths / 100)  # different after a softmax


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.lists(LOGITS, min_size=3, max_size=3, unique=True)), min_size=1))
def test_validation_scores_are_those_of_the_tables(clips: list[tuple[int, list[float]]]) -> None:
    labels, logits = torch.tensor([y for y, _ in clips]), torch.tensor([z for _, z in clips])
    scores = score_logits(logits, labels)
    names = ("a", "b", "c")
    table = evaluate([names[y] for y in labels], torch.softmax(logits.double(), dim=1).numpy(), names)
    assert scores["accuracy"] == pytest.approx(table["accuracy"])
    assert scores["uar"] == pytest.approx(table["uar"])
    assert scores["loss"] == pytest.approx(table["loss"], abs=1e-6)


@pytest.mark.parametrize("cell", [BOTH, IMAGE], ids=["simple3d", "resnet18"])
def test_a_stopped_run_resumes_to_the_very_same_weights(
    cell: dict[str, Any], bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = fake.experiment(cell, train=training(patience=3))
    whole = bench.train(experiment, "whole")
    monkeypatch.setattr(trainer, "CHECKPOINT_INTERVAL_S", 0.0)
    with interrupted_in_step(3 + 3 + 1):  # two epochs of three batches, one batch of the third
        bench.train(experiment, "stopped")
    monkeypatch.setattr(trainer, "CHECKPOINT_INTERVAL_S", 20.0)
    stopped = bench.folder / "stopped" / "0"
    assert not (stopped / "run.json").exists()
    assert not (stopped.parent / "fold.json").exists()
    assert json.loads((stopped / "checkpoint" / "state.json").read_text())["state"]["epoch"] == 2
    bench.train(experiment, "stopped")
    assert (stopped / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_parquet(stopped / "predictions.parquet"), pd.read_parquet(whole / "predictions.parquet")
    )
    timeless = [column for column in history(whole).columns if column not in ("seconds", "clips_per_s")]
    pd.testing.assert_frame_equal(history(stopped)[timeless], history(whole)[timeless])
    assert not (stopped / "checkpoint").exists()


def test_a_checkpoint_of_other_data_is_refused(
    bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = fake.experiment(AUDIO, train=training(epochs=2))
    monkeypatch.setattr(trainer, "CHECKPOINT_INTERVAL_S", 0.0)
    monkeypatch.setattr("affectstore.models.training.run.save_model", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        bench.train(experiment, digests={"config": "other"})
    monkeypatch.undo()
    monkeypatch.setattr("affectstore.open", lambda _: bench.store)
    capsys.readouterr()
    folder = bench.train(experiment)
    out = capsys.readouterr().out
    assert f"checkpoint {folder / 'checkpoint'} is of another config (other, here it is c), another split (None" in out
    assert "it is removed, and the run starts anew" in out
    assert history(folder)["epoch"].tolist() == [1, 2]
    assert not (folder / "checkpoint").exists()
    again = bench.train(experiment, "fresh")
    assert (folder / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_checkpoint_restores_the_random_generator_and_the_optimiser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    for _ in range(2):
        optimiser.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        optimiser.step()
    best = {"w": torch.ones(2)}
    state = TrainState(2, 1, (-0.1 - 0.2, 0.0), ({"epoch": 1, "val_loss": 0.1 + 0.2},), 1.5, best)
    other = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    fresh = torch.optim.AdamW(other.parameters(), fused=True)
    checkpoint = Checkpoint(tmp_path, {"a": "b"})
    checkpoint.save(state, model, optimiser)
    expected = torch.rand(3)
    torch.rand(5)
    capsys.readouterr()
    loaded = checkpoint.load(other, fresh)
    assert capsys.readouterr().out == "resuming after epoch 2\n"
    assert loaded is not None
    assert replace(loaded, best_weights=best) == state
    assert {name: value.tolist() for name, value in loaded.best_weights.items()} == {"w": [1, 1]}
    assert torch.equal(torch.rand(3), expected)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert fresh.state_dict()["param_groups"] == optimiser.state_dict()["param_groups"]
    for parameter, values in optimiser.state_dict()["state"].items():
        for name, value in values.items():
            assert torch.equal(fresh.state_dict()["state"][parameter][name], value)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    next(tmp_path.glob("*.safetensors")).write_bytes(b"half")
    assert capsys.readouterr().out == ""
    assert checkpoint.load(other, fresh) is None  # not readable
    assert f"checkpoint {tmp_path} cannot be read (" in capsys.readouterr().out
    checkpoint.save(state, model, optimiser)
    of_another_run = Checkpoint(tmp_path, {"a": "c"})
    assert of_another_run.load(other, fresh) is None
    assert "is of another a (b, here it is c): it is removed" in capsys.readouterr().out
    assert not tmp_path.exists()
    assert of_another_run.load(other, fresh) is None  # there is none
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("monitor", "column", "sign"), [("loss", "val_loss", 1), ("uar", "val_uar", -1)])
def test_the_epoch_is_chosen_on_validation(monitor: str, column: str, sign: int, bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(AUDIO, train=training(epochs=8, learning_rate=3e-2, monitor=monitor)))
    rows = history(folder)
    best = facts(folder)["best_epoch"]
    assert sign * rows[column][best - 1] == (sign * rows[column]).min()
    predictions = pd.read_parquet(folder / "predictions.parquet")
    val = predictions[predictions["subset"] == "val"]
    p = val.apply(lambda row: row[f"p_{row['y']}"], axis=1)
    assert -np.log(p).mean() == pytest.approx(rows["val_loss"][best - 1], rel=1e-5)


def test_training_stops_when_patience_ends(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(AUDIO, train=training(epochs=40, learning_rate=0.3, patience=2)))
    run = facts(folder)
    assert run["epochs"] == run["best_epoch"] + 2 < 40


def test_the_test_subset_has_no_part_in_training(bench: Any, fake: Any) -> None:
    experiment = fake.experiment(BOTH, train=training())
    before = bench.train(experiment, "before")
    tested = bench.split.loc[bench.split["subset"] == "test", "clip_id"]
    for feature in bench.store.features.values():
        for clip_id in tested:
            feature.arrays[clip_id] = np.zeros_like(feature.arrays[clip_id])
    shuffled = {"ANG": "HAP", "HAP": "SAD", "SAD": "ANG"}
    table = bench.store.clips
    at = table["clip_id"].isin(tested)
    table.loc[at, "label_intended"] = table.loc[at, "label_intended"].map(shuffled)
    after = bench.train(experiment, "after")
    assert (before / "model.safetensors").read_bytes() == (after / "model.safetensors").read_bytes()
    assert json.loads((before / "model.json").read_text()) == json.loads((after / "model.json").read_text())
    assert history(before)["val_loss"].tolist() == history(after)["val_loss"].tolist()


def test_seeds_differ_and_each_repeats_itself(bench: Any, fake: Any) -> None:
    experiment = fake.experiment(AUDIO, seeds=2, train=training(epochs=2))
    first, again = bench.train(experiment, "first").parent, bench.train(experiment, "again").parent
    for seed in ("0", "1"):
        assert (first / seed / "model.safetensors").read_bytes() == (again / seed / "model.safetensors").read_bytes()
    assert (first / "0" / "model.safetensors").read_bytes() != (first / "1" / "model.safetensors").read_bytes()
    alone = fake.experiment(AUDIO, seeds=1, train=training(epochs=2))
    assert load_file(bench.train(alone, "alone") / "model.safetensors").keys()
    assert (bench.folder / "alone/0/model.safetensors").read_bytes() == (first / "0/model.safetensors").read_bytes()


def test_a_loss_that_is_not_finite_names_the_clips_of_its_batch(bench: Any, fake: Any) -> None:
    wild = training(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(
        TrainingError, match=r"seed 0, epoch 1: the loss of a batch is (nan|inf); clips of the batch"
    ) as e:
        bench.train(fake.experiment(AUDIO, train=wild))
    named = str(e.value).split("clips of the batch: ")[1].split(". ")[0].split(", ")
    trained = set(bench.split.loc[bench.split["subset"] == "train", "clip_id"])
    assert len(named) >= 2
    assert set(named) <= trained
    assert not (bench.folder / "out" / "fold.json").exists()


def test_a_modality_without_effect_is_refused_before_training(
    bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep_the_first(_: Any, values: Any, masks: Any) -> Any:  # as a transform that keeps three of six channels
        return torch.cat([values["audio"], values["audio"]], dim=1), masks["audio"]

    monkeypatch.setattr(ChannelFusion, "forward", keep_the_first)
    with pytest.raises(TrainingError, match=r"vision does not change the logits.*'simple3d' with fusion 'channel'"):
        bench.train(fake.experiment(BOTH, train=training()))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_learns_and_clips_gradients(optimizer: str, bench: Any, fake: Any) -> None:
    rate = 1e-2 if optimizer == "sgd" else 1e-3
    settings = training(optimizer=optimizer, learning_rate=rate, epochs=5, max_grad_norm=1.0, weight_decay=1e-4)
    rows = history(bench.train(fake.experiment(IMAGE, train=settings)))
    assert rows["train_loss"].min() < 0.8 * rows["train_loss"][0]


def test_bfloat16_trains_on_a_cpu_too(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(BOTH, train=training(precision="bf16-mixed")))
    weights = load_file(folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert history(folder)["train_loss"].notna().all()


def image(channels: int) -> ImageShape:
    return ImageShape(channels=channels, height_px=32, width_px=32)


def test_missing_imagenet_weights_are_named_with_their_source_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(ConfigError) as error:
        ResNet18(image(1), Options(weights="imagenet"))
    places = (str(tmp_path / "weights"), str(tmp_path / "torch" / "hub" / "checkpoints"))
    for word in ("resnet18-f37072fd.pth", *places, "https://", "no route to host"):
        assert word in str(error.value)


def test_imagenet_weights_are_checked_and_their_first_convolution_is_newly_initialised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import resnet18

    from affectstore.digest import digest_file
    from affectstore.weights import known

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = "resnet18-f37072fd.pth"
    path = tmp_path / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    published = resnet18(weights=None).state_dict()
    torch.save(published, path)
    options = Options(weights="imagenet")
    with pytest.raises(ConfigError, match="is not the published file"):
        ResNet18(image(1), options)
    written = replace(known.KNOWN[name], sha256=digest_file(path))
    monkeypatch.setattr(known, "KNOWN", {**known.KNOWN, name: written})
    network = ResNet18(image(1), options).network
    assert torch.equal(network.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])
    assert network.conv1.weight.shape == (64, 1, 7, 7)
    assert torch.equal(ResNet18(image(3), options).network.conv1.weight, published["conv1.weight"])
    assert options.pretrained_source == "imagenet (resnet18-f37072fd.pth)"


def test_settings_have_a_momentum_for_sgd_only() -> None:
    assert Training().momentum == 0.9
