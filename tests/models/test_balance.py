"""OGM-GE and G-Blending against their formulas, and in whole runs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.fused import THREE, Fused, drawn
from support.training import history, training
from torch import nn
from torch.nn import functional as F

from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.batch import Batch
from affectstore.models.data.rng import RngStreams
from affectstore.models.modules import UNLABELLED, Output
from affectstore.models.spec import TrainingError
from affectstore.models.training.trick import TrickSetup
from affectstore.models.tricks import g_blending, ogm_ge
from affectstore.models.tricks.g_blending import blend_weights
from affectstore.models.tricks.ogm_ge import coefficients, label_confidence, modulate

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "sharing": "separate"}
CONCAT = {**BOTH, "fusion": "concat"}


def test_only_the_modality_ahead_is_reduced() -> None:
    labels = torch.tensor([0, 1, UNLABELLED])
    sure = {"audio": torch.tensor([[9.0, 0.0], [0.0, 9.0], [9.0, 0.0]]), "vision": torch.zeros(3, 2)}
    sums = label_confidence(sure, labels)
    p = math.exp(9) / (math.exp(9) + 1)
    np.testing.assert_allclose(sums, [2 * p, 1.0])
    k = coefficients(sums.tolist(), 0.3)
    np.testing.assert_allclose(k, [1 - math.tanh(0.3 * 2 * p), 1.0])
    np.testing.assert_allclose(
        coefficients([3.0, 1.0, 1.0], 0.5), [1 - math.tanh(0.5 * 3.0), 1.0, 1.0]
    )  # three: against the mean of the others
    assert coefficients([1.0, 1.0], 0.3) == [1.0, 1.0]
    assert coefficients([0.0, 0.0], 0.3) == [1.0, 1.0]


def test_reduced_gradients_get_noise_of_their_own_standard_deviation() -> None:
    layer = nn.Linear(300, 300)
    gradient = 5 + 2 * torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    layer.weight.grad, layer.bias.grad = gradient.clone(), torch.ones(300)
    modulate(layer, 0.25, torch.Generator().manual_seed(1))
    noise = layer.weight.grad - 0.25 * gradient
    assert noise.std().item() == pytest.approx(gradient.std().item(), rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert torch.equal(layer.bias.grad, torch.ones(300))


def test_gradients_of_the_modality_that_is_not_ahead_stay_as_they_are() -> None:
    encoders = {m: nn.Linear(30, 30) for m in ("audio", "vision")}
    gradient = torch.randn(30, 30, generator=torch.Generator().manual_seed(0))
    for encoder in encoders.values():
        encoder.weight.grad = gradient.clone()
    logits = {"audio": torch.tensor([[9.0, 0.0]]), "vision": torch.zeros(1, 2)}
    batch = Batch({}, {}, torch.tensor([0]), torch.tensor([0]))
    run: Any = SimpleNamespace(
        fabric=SimpleNamespace(world_size=1, device=torch.device("cpu")),
        network=SimpleNamespace(encoder=encoders.__getitem__),
    )
    trick = ogm_ge.OGMGE(ogm_ge.Options(), TrickSetup(("audio", "vision")))
    columns = trick.on_gradients(run, Output(torch.zeros(1, 2), {}, logits), batch, RngStreams(0, 1, 0))
    assert columns["gradient_vision"] == 1 > columns["gradient_audio"] > 0
    assert torch.equal(encoders["vision"].weight.grad, gradient)
    assert not torch.equal(encoders["audio"].weight.grad, gradient)


def test_weights_are_generalisation_over_squared_overfitting() -> None:
    heads = ("joint", "audio")

    def row(train: tuple[float, float], val: tuple[float, float]) -> dict[str, float]:
        return {
            f"blend_{subset}_{h}": x
            for subset, pair in (("train", train), ("val", val))
            for h, x in zip(heads, pair, strict=True)
        }

    first, second = row((1.0, 1.0), (1.1, 1.2)), row((0.5, 0.8), (0.9, 0.9))
    assert (
        blend_weights([], heads) == blend_weights([first, {"train_loss": 0.0}], heads) == {"joint": 0.5, "audio": 0.5}
    )
    joint, audio = 0.2 / 0.3**2, 0.3 / 0.1**2  # generalisation .2 and .3; the gap grew by .3, and shrank by .1
    got = blend_weights([first, {"train_loss": 0.0}, second], heads)
    assert got == pytest.approx({"joint": joint / (joint + audio), "audio": audio / (joint + audio)})
    worse = row((0.1, 0.1), (2.0, 2.0))
    assert blend_weights([first, second, worse], heads) == got  # where no head improved, weights stay
    third = row((0.4, 0.4), (0.9, 0.5))
    assert blend_weights([first, second, third], heads)["joint"] == 0


def test_losses_are_measured_after_the_first_epoch_and_every_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(g_blending, "head_losses", lambda subset, run: {subset: 1.0})
    trick = g_blending.GBlending(g_blending.Options(every=5), TrickSetup(("audio", "vision")))
    run: Any = SimpleNamespace()
    measured = {epoch: trick.on_validation(run, epoch) for epoch in range(1, 12)}
    assert [epoch for epoch, columns in measured.items() if columns] == [1, 6, 11]
    assert measured[6] == {"train": 1.0, "val": 1.0}


@pytest.mark.parametrize("fusion", ["concat", "sum", "probe", "mean", "stacked"])
@pytest.mark.parametrize("trick", ["ogm_ge", "g_blending"])
def test_a_run_records_how_it_was_balanced(trick: str, fusion: str, bench: Any, fake: Any) -> None:
    options = {"ogm_ge": {}, "g_blending": {"every": 1}}[trick]
    settings = training(epochs=3, tricks={trick: options})
    rows = history(bench.train(fake.experiment({**BOTH, "fusion": fusion}, train=settings)))
    if trick == "ogm_ge":
        columns = rows[["gradient_audio", "gradient_vision"]]
        assert ((columns > 0) & (columns <= 1)).all(axis=None)
        assert (columns.min(axis=1) < 1).all()
        return
    columns = rows[["weight_joint", "weight_audio", "weight_vision"]]
    np.testing.assert_allclose(columns.sum(axis=1), 1)
    np.testing.assert_allclose(columns[:2], 1 / 3)
    assert not np.allclose(columns.iloc[2], 1 / 3)
    np.testing.assert_allclose(rows["blend_val_joint"], rows["val_loss"], rtol=1e-5)
    joint = rows["train_loss"] - sum(rows[f"weight_{m}"] * rows[f"train_loss_{m}"] for m in ("audio", "vision"))
    assert (joint > 0).all()


def test_unimodal_logits_of_concat_add_up_to_its_logits() -> None:
    for name, options in (("concat", {}), ("sum", {}), ("sum", {"hidden_dim": 6})):
        fused, vectors = Fused(name, THREE, **options), drawn(THREE)
        own = fused.alone(vectors)
        assert list(own) == list(THREE)
        torch.testing.assert_close(sum(own.values()), fused(vectors).logits)
    probe = Fused("probe", THREE)
    own = probe.alone(drawn(THREE))
    losses = probe(drawn(THREE), torch.tensor([0, 1, 2, 0])).losses
    for m, logits in own.items():
        torch.testing.assert_close(F.cross_entropy(logits, torch.tensor([0, 1, 2, 0])), losses[f"probe_{m}"])


@pytest.mark.parametrize(
    ("cell", "trick"),
    [
        ({**BOTH, "fusion": "gmu", "sharing": "separate"}, "ogm_ge"),
        ({**BOTH, "fusion": "gmu"}, "g_blending"),
        ({"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"}, "g_blending"),
    ],
)
def test_fusions_without_classifiers_of_each_modality_are_balanced_too(
    cell: Any, trick: str, bench: Any, fake: Any
) -> None:
    rows = history(bench.train(fake.experiment(cell, train=training(tricks={trick: {}}))))
    columns = {"ogm_ge": ("gradient_audio", "gradient_vision"), "g_blending": ("train_loss_audio", "train_loss_vision")}
    assert (rows[list(columns[trick])] > 0).all().all()
    assert rows["train_loss"].iloc[-1] < rows["train_loss"].iloc[0]


def test_blending_needs_a_validation_subset(bench: Any, fake: Any) -> None:
    bench.split.loc[bench.split["subset"] == "val", "subset"] = "train"
    with pytest.raises(TrainingError, match="has none; choose another protocol"):
        bench.train(fake.experiment(CONCAT, train=training(tricks={"g_blending": {}})))


@pytest.mark.parametrize(
    ("cell", "settings", "message"),
    [
        (AUDIO, {"tricks": {"ogm_ge": {}}}, "none are; name a `fusion`, or leave the trick out"),
        (AUDIO, {"tricks": {"g_blending": {}}}, "none are; name a `fusion`, or leave the trick out"),
        ({**CONCAT, "sharing": "shared"}, {"tricks": {"ogm_ge": {}}}, "choose `sharing: separate`"),
        (
            {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"},
            {"tricks": {"ogm_ge": {}}},
            "fusion 'time' feeds one with all",
        ),
        (CONCAT, {"unlabelled": True}, "fusion 'concat' has no loss that works without labels"),
        (AUDIO, {"unlabelled": True}, "a single modality has no loss"),
        (AUDIO, {"schedule": {"warmup_epochs": 4}}, "4 of 4 epochs"),
    ],
)
def test_options_that_do_not_fit_a_cell_are_refused(
    cell: Any, settings: Any, message: str, bench: Any, fake: Any
) -> None:
    experiment = fake.experiment(cell, train=training(**settings))
    assert message in str(cell_problem(experiment, experiment.cells[0]))
    assert cell_problem(fake.experiment(cell), experiment.cells[0]) is None
