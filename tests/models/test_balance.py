"""OGM-GE and G-Blending against their formulas, and in whole runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from affectstore.models.base import TrainingError
from affectstore.models.check import check_cell
from affectstore.models.engine.g_blending import is_due, weights_of
from affectstore.models.engine.loss import UNLABELLED
from affectstore.models.engine.ogm_ge import certainty, coefficients, modulate

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "sharing": "separate"}
CONCAT = {**BOTH, "fusion": "concat"}


def training(**changes: Any) -> dict[str, Any]:
    return {"learning_rate": 1e-2, "batch_size": 5, "epochs": 4} | changes


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")


def test_only_the_modality_ahead_is_damped() -> None:
    labels = torch.tensor([0, 1, UNLABELLED])
    sure = {"audio": torch.tensor([[9.0, 0.0], [0.0, 9.0], [9.0, 0.0]]), "vision": torch.zeros(3, 2)}
    sums = certainty(sure, labels)
    p = math.exp(9) / (math.exp(9) + 1)
    np.testing.assert_allclose(sums, [2 * p, 1.0])
    k = coefficients(sums.tolist(), 0.3)
    np.testing.assert_allclose(k, [1 - math.tanh(0.3 * 2 * p), 1.0])
    np.testing.assert_allclose(
        coefficients([3.0, 1.0, 1.0], 0.5), [1 - math.tanh(0.5 * 3.0), 1.0, 1.0]
    )  # three: against the mean of the others
    assert coefficients([1.0, 1.0], 0.3) == [1.0, 1.0]
    assert coefficients([0.0, 0.0], 0.3) == [1.0, 1.0]


def test_damped_gradients_get_noise_of_their_own_deviation() -> None:
    layer = nn.Linear(300, 300)
    gradient = 5 + 2 * torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    layer.weight.grad, layer.bias.grad = gradient.clone(), torch.ones(300)
    modulate(layer, 1.0, torch.Generator().manual_seed(1))
    assert torch.equal(layer.weight.grad, gradient)
    modulate(layer, 0.25, torch.Generator().manual_seed(1))
    noise = layer.weight.grad - 0.25 * gradient
    assert noise.std().item() == pytest.approx(gradient.std().item(), rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert torch.equal(layer.bias.grad, torch.ones(300))


def test_weights_are_gain_over_squared_overfitting() -> None:
    heads = ("joint", "audio")

    def row(train: tuple[float, float], val: tuple[float, float]) -> dict[str, float]:
        return {
            f"blend_{side}_{h}": x
            for side, pair in (("train", train), ("val", val))
            for h, x in zip(heads, pair, strict=True)
        }

    first, second = row((1.0, 1.0), (1.1, 1.2)), row((0.5, 0.8), (0.9, 0.9))
    assert weights_of([], heads) == weights_of([first, {"train_loss": 0.0}], heads) == {"joint": 0.5, "audio": 0.5}
    joint, audio = 0.2 / 0.3**2, 0.3 / 0.1**2  # gains .2 and .3; the gap grew by .3, and shrank by .1
    got = weights_of([first, {"train_loss": 0.0}, second], heads)
    assert got == pytest.approx({"joint": joint / (joint + audio), "audio": audio / (joint + audio)})
    worse = row((0.1, 0.1), (2.0, 2.0))
    assert weights_of([first, second, worse], heads) == got  # where no head gained, weights stay
    third = row((0.4, 0.4), (0.9, 0.5))
    assert weights_of([first, second, third], heads)["joint"] == 0
    assert [e for e in range(1, 12) if is_due(e, 5)] == [1, 6, 11]


@pytest.mark.parametrize("fusion", ["concat", "sum", "probe", "mean", "stacked"])
@pytest.mark.parametrize("balance", ["ogm_ge", "g_blending"])
def test_a_balanced_run_says_how_it_balanced(balance: str, fusion: str, bench: Any, fake: Any) -> None:
    told = training(epochs=3, balance=balance, blend_every=1)
    rows = history(bench.train(fake.experiment({**BOTH, "fusion": fusion}, train=told)))
    if balance == "ogm_ge":
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


def test_scores_of_concat_add_up_to_its_logits() -> None:
    from fused import THREE, Fused, drawn

    for name, options in (("concat", {}), ("sum", {}), ("sum", {"width": 6})):
        fused, vectors = Fused(name, THREE, **options), drawn(THREE)
        own = fused.module.scores(fused.weights, vectors, fused.options)
        assert list(own) == list(THREE)
        torch.testing.assert_close(sum(own.values()), fused(vectors).logits)
    probe = Fused("probe", THREE)
    own = probe.module.scores(probe.weights, drawn(THREE), probe.options)
    losses = probe(drawn(THREE), torch.tensor([0, 1, 2, 0])).losses
    for m, logits in own.items():
        torch.testing.assert_close(F.cross_entropy(logits, torch.tensor([0, 1, 2, 0])), losses[f"probe_{m}"])


@pytest.mark.parametrize(
    ("cell", "balance"),
    [
        ({**BOTH, "fusion": "gmu", "sharing": "separate"}, "ogm_ge"),
        ({**BOTH, "fusion": "gmu"}, "g_blending"),
        ({"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"}, "g_blending"),
    ],
)
def test_fusions_without_scores_of_their_own_are_balanced_too(cell: Any, balance: str, bench: Any, fake: Any) -> None:
    history = pd.read_csv(bench.train(fake.experiment(cell, train=training(balance=balance))) / "history.csv")
    columns = {"ogm_ge": ("gradient_audio", "gradient_vision"), "g_blending": ("train_loss_audio", "train_loss_vision")}
    assert (history[list(columns[balance])] > 0).all().all()
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


def test_blending_needs_a_validation_side(bench: Any, fake: Any) -> None:
    bench.split.loc[bench.split["side"] == "val", "side"] = "train"
    with pytest.raises(TrainingError, match="has none; choose another protocol"):
        bench.train(fake.experiment(CONCAT, train=training(balance="g_blending")))


@pytest.mark.parametrize(
    ("cell", "told", "message"),
    [
        (AUDIO, {"balance": "ogm_ge"}, "none are"),
        ({**CONCAT, "sharing": "shared"}, {"balance": "ogm_ge"}, "say `sharing: separate`"),
        (
            {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"},
            {"balance": "ogm_ge"},
            "fusion 'time' feeds one with all",
        ),
        (CONCAT, {"unlabelled": True}, "fusion 'concat' has no loss that does without labels"),
        (AUDIO, {"unlabelled": True}, "a single modality has no loss"),
        (AUDIO, {"schedule": {"warm_up": 4}}, "4 epochs of 4"),
    ],
)
def test_options_that_do_not_fit_a_cell_are_refused(cell: Any, told: Any, message: str, bench: Any, fake: Any) -> None:
    experiment = fake.experiment(cell, train=training(**told))
    assert message in check_cell(experiment, experiment.cells[0])
    assert check_cell(fake.experiment(cell), experiment.cells[0]) == ""
