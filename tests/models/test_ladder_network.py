"""Options and sizes of the ladder fusion, and networks with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.fused_steps import CLASSES, FusedSteps, alone, given, mask_of
from torch import Tensor

from affectstore.config.experiment import Experiment
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.fusions.ladder import SPEC, Ladder, Options
from affectstore.models.modules import FusionContext
from affectstore.models.network import Network


def test_parameters() -> None:
    def total(**options: Any) -> int:
        with torch.device("meta"):
            fusion = Ladder({"audio": (6,) * 3, "vision": (4,) * 3}, CLASSES, Options(**options))
        return sum(p.numel() for p in fusion.parameters())

    base = 2 * 110 + 33 + 21 + 15  # residual MLP of 10, and three classifiers of 10, 6 and 4
    own = 3 * 10 * 10 + 2 * (36 + 16)
    cross = own + 3 * 2 * 24
    assert [total(skips=s) for s in ("none", "own", "cross", "both")] == [
        base,
        base + own,
        base + cross,
        base + own + cross,
    ]
    assert total(skips="own", depth=1) == base + 100


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 0},
        {"noise": -0.1},
        {"reconstruction": -1.0},
        {"reconstruction": (0.1, -1.0), "depth": 2},
        {"reconstruction": (0.1, 0.2)},
        {"skips": "all"},
        {"crossmodal": {"dim": 10, "heads": 3}},
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**options)


@pytest.mark.parametrize(
    "options", [{}, {"reconstruction": (0.1, 1.0), "depth": 2}, {"crossmodal": {"dim": 8, "heads": 2}}]
)
def test_options_survive_being_written(options: dict[str, Any]) -> None:
    chosen = Options(**options)
    assert Options(**chosen.model_dump(mode="json")) == chosen


def test_the_joint_network_may_be_that_of_auxformer() -> None:
    sizes = {"audio": 6, "vision": 4}
    built = FusedSteps("ladder", sizes, of_layers=3, crossmodal={"dim": 4, "heads": 2, "layers": 1})
    built.fusion.eval()
    encoded = given(sizes, layers=3)
    logits = built(encoded).logits
    for k in range(4):
        torch.testing.assert_close(built(alone(encoded, k)).logits[0], logits[k], rtol=1e-9, atol=1e-9)
    apart = encoded["audio"]._replace(layers=(encoded["audio"].layers[0] + 1, *encoded["audio"].layers[1:]))
    assert not torch.equal(built({**encoded, "audio": apart}).logits, logits)


def network(encoder: str = "transformer", **options: Any) -> Network:
    small = {"dim": 8, "heads": 2, "layers": 2, "dropout": 0.0, "attention_dropout": 0.0}
    small |= {"input_dropout": 0.0} if encoder == "auxformer" else {"ffn_dim": 8}
    cell = {"modalities": ("audio", "vision"), "encoder": encoder, "encoder_options": small, "fusion": "ladder"}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell | {"fusion_options": options},))
    torch.manual_seed(0)
    return Network(recipe_for(experiment, experiment.cells[0], ("a", "b", "c"), {"lld": 3, "vggface": 4}))


def batch() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    masks = {"audio": mask_of((7, 2, 5)), "vision": mask_of((3, 4, 1))}
    generator = torch.Generator().manual_seed(0)
    values = {m: torch.randn(*masks[m].shape, n, generator=generator) for m, n in (("audio", 3), ("vision", 4))}
    return {m: x * masks[m][..., None] for m, x in values.items()}, masks


@pytest.mark.parametrize("encoder", ["transformer", "auxformer"])
def test_noise_is_in_training_alone(encoder: str) -> None:
    net, (values, masks) = network(encoder, noise=0.5), batch()
    assert len(net.fusion.own["audio"].combine) == 3

    def run(seed: int) -> Any:
        torch.manual_seed(seed)
        return net(values, masks)

    net.train()
    assert torch.equal(run(1).logits, run(1).logits)
    assert not torch.equal(run(1).logits, run(2).logits)
    assert set(run(1).losses) == {"own", "cross"}  # no labels are needed
    net.eval()
    assert torch.equal(run(1).logits, run(2).logits)
    assert run(1).losses == {}


def test_without_noise_both_paths_are_one() -> None:
    net, (values, masks) = network(noise=0.0), batch()
    trained = net.train()(values, masks).logits
    torch.testing.assert_close(trained, net.eval()(values, masks).logits)


def test_the_clean_layers_are_restored() -> None:
    net, (values, masks) = network(noise=0.5), batch()
    torch.manual_seed(1)
    clean = net.encode(values, masks)
    noisy = net.encode(values, masks, 0.5)
    expected = net.fusion(clean, FusionContext(noisy=noisy)).losses
    torch.manual_seed(1)
    torch.testing.assert_close(net.train()(values, masks).losses, expected)


def test_unlabelled_clips_can_be_used() -> None:
    assert SPEC.uses_unlabelled
    net, (values, masks) = network(), batch()
    sum(net.train()(values, masks).losses.values()).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.fusion.own.parameters())
    assert all(p.grad is None for p in net.fusion.joint.parameters())
