"""Fusions of sequences: sizes, padding, missing modalities, losses, and inputs that are masked in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.fused import count, linear
from support.fused_steps import CLASSES, LABELS, LENGTHS, TWO, FusedSteps, alone, given, mask_of, repadded
from support.sequence_fusions import SMALL, STACK, fused, two_and_three
from torch import Tensor
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError
from affectstore.models.blocks.masked import zero_frames
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.modules import Encoded, FusionContext
from affectstore.models.network import Network
from affectstore.models.spec import FUSIONS

VARIANTS = [*SMALL.items(), ("attention", SMALL["attention"] | {"bottlenecks": 3}), ("auxformer", STACK | {"dim": 6})]

IDS = ["ablation_trained", "attention", "auxformer", "crossmodal", "bottlenecks", "unprojected"]

every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)


def stack(dim: int, layers: int) -> int:
    """Four maps of the attention, a feed-forward network of 4 dim, two normalisations per layer and one at the end."""
    layer = 4 * linear(dim, dim) + linear(dim, 4 * dim) + linear(4 * dim, dim) + 4 * dim
    return layers * layer + 2 * dim


WIDE = {"audio": 130, "vision": 130}


@pytest.mark.parametrize(
    ("name", "sizes", "options", "parameters"),
    [
        (
            "crossmodal",
            {"audio": 130, "vision": 256},
            {},
            5 * 50 * 386 + 4 * stack(50, 4) + 2 * linear(100, 100) + linear(100, 6),
        ),
        (
            "crossmodal",
            {"audio": 74, "vision": 35, "text": 300},
            {"kernel": 1, "memory_layers": 3},
            50 * 409 + 6 * stack(50, 4) + 3 * stack(100, 3) + 2 * linear(300, 300) + linear(300, 6),
        ),
        (
            "crossmodal",
            {"audio": 130, "vision": 256},
            {"layers": 2},
            5 * 50 * 386 + 2 * stack(50, 2) + 2 * stack(50, 3) + 2 * linear(100, 100) + linear(100, 6),
        ),
        (
            "auxformer",
            WIDE,
            {},
            4 * stack(130, 5)
            + 2 * linear(260, 260)
            + linear(260, 6)
            + linear(130, 512)
            + linear(512, 256)
            + linear(256, 130)
            + linear(130, 6),
        ),
        (
            "attention",
            {"audio": 10, "vision": 20},
            {"bottlenecks": 4},
            64 * 30 + 2 * 64 + 4 * 64 + 2 * (stack(64, 2) - 128) + 128 + linear(64, 64) + 64 + linear(64, 6),
        ),
    ],
)
def test_parameters(name: str, sizes: dict[str, int], options: dict[str, Any], parameters: int) -> None:
    assert count(name, sizes, 6, **options) == parameters
    if name == "crossmodal":
        assert count("ablation_trained", sizes, 6, **options) == parameters


@two_and_three
@every_variant
def test_two_and_three_modalities(name: str, options: dict[str, Any], sizes: dict[str, int]) -> None:
    built, encoded = FusedSteps(name, sizes, **options), given(sizes)
    output = built(encoded, LABELS)
    assert output.logits.shape == (4, CLASSES)
    (F.cross_entropy(output.logits, LABELS) + sum(output.losses.values())).backward()
    assert [n for n, p in built.fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert built.declared.Options(**built.options.model_dump(mode="json")) == built.options
    built.fusion.eval()
    assert built(encoded).losses == {}
    for modality, one in encoded.items():
        changed = one._replace(sequence=one.sequence + one.mask[..., None])
        assert not torch.equal(built({**encoded, modality: changed}).logits, built(encoded).logits)


@two_and_three
@every_variant
def test_padding_changes_nothing(name: str, options: dict[str, Any], sizes: dict[str, int]) -> None:
    built, encoded = fused(name, options, sizes), given(sizes)
    logits = built(encoded).logits
    torch.testing.assert_close(built(repadded(encoded, 5)).logits, logits, rtol=1e-9, atol=1e-9)
    for k in range(4):
        torch.testing.assert_close(built(alone(encoded, k)).logits[0], logits[k], rtol=1e-9, atol=1e-9)
    if options["dim"] not in sizes.values():  # inputs that are projected are masked before
        torch.testing.assert_close(built(repadded(encoded, 5, junk=1e3)).logits, logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("missing", ["audio", "vision"])
@every_variant
def test_a_clip_may_lack_a_modality(name: str, options: dict[str, Any], missing: str) -> None:
    encoded = given(TWO, {**LENGTHS, missing: (3, 0, 2, 4)})
    built = fused(name, options)
    built.fusion.train()
    output = built(encoded, LABELS)
    (F.cross_entropy(output.logits, LABELS) + sum(output.losses.values())).backward()
    assert all(p.grad.isfinite().all() for p in built.fusion.parameters() if p.grad is not None)
    built.fusion.eval()
    logits = built(encoded).logits
    assert logits.isfinite().all()
    torch.testing.assert_close(built(repadded(encoded, 4)).logits, logits, rtol=1e-9, atol=1e-9)
    for k in range(4):
        torch.testing.assert_close(built(alone(encoded, k)).logits[0], logits[k], rtol=1e-9, atol=1e-9)


@every_variant
def test_dropout_is_for_training_only(name: str, options: dict[str, Any]) -> None:
    built, encoded = fused(name, options), given(TWO)

    def logits(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return built(encoded).logits

    assert torch.equal(logits(1), logits(2))
    built.fusion.train()
    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


@every_variant
def test_it_runs_in_bfloat16(name: str, options: dict[str, Any]) -> None:
    built = FusedSteps(name, TWO, **options)
    built.fusion.float().eval()
    encoded = {m: Encoded(e.vector.float(), e.sequence.float(), e.mask, ()) for m, e in given(TWO).items()}
    exact = built(encoded).logits
    with torch.autocast("cpu", torch.bfloat16):
        output = built(encoded, LABELS)
    sum(output.losses.values(), output.logits.float().sum()).backward()
    torch.testing.assert_close(output.logits.float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("crossmodal", {"dim": 50, "heads": 7}),
        ("crossmodal", {"kernel": 4}),
        ("attention", {"bottlenecks": -1}),
        ("auxformer", {"modality_dropout": 0.6}),
        ("ablation_trained", {"frame_rate": 1.5}),
        ("ablation_trained", {"ablated": "faces"}),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FUSIONS.load(name).Options(**options)


def test_auxformer_minimises_the_mean_of_the_losses_of_its_networks() -> None:
    built, encoded = fused("auxformer", SMALL["auxformer"]), given(TWO)
    alone = built.fusion.unimodal_logits(encoded, FusionContext())
    joint = built.fusion.main(encoded)
    output = built(encoded, LABELS)
    losses = {name: F.cross_entropy(one, LABELS) / 3 for name, one in [("joint", joint), *alone.items()]}
    assert list(output.losses) == ["joint", "auxiliary_audio", "auxiliary_vision"]
    torch.testing.assert_close(list(output.losses.values()), list(losses.values()))
    torch.testing.assert_close(output.logits, (joint + alone["audio"] + alone["vision"]) / 3)
    assert not output.logits.requires_grad
    assert built(encoded).logits.requires_grad


def test_equal_vectors_share_the_auxiliary_classifier() -> None:
    declared = FUSIONS.load("auxformer")
    same, other = (
        declared.build({"audio": 8, "vision": size}, 3, declared.Options(**STACK)).auxiliary for size in (8, 6)
    )
    assert list(same) == ["shared"]
    assert list(other) == ["audio", "vision"]


@pytest.mark.parametrize("modalities", [("audio", "vision"), ("audio", "vision", "text")])
def test_modality_dropout_removes_one_modality_of_a_clip_at_most(modalities: tuple[str, ...]) -> None:
    declared, dims = FUSIONS.load("auxformer"), dict.fromkeys(modalities, 8)
    fusions = {r: declared.build(dims, 3, declared.Options(**STACK, modality_dropout=r)) for r in (0.0, 0.2, 0.5)}
    values = {m: torch.ones(4000, 3, 2) for m in modalities}
    torch.manual_seed(0)
    given_ = fusions[0.2].mask_inputs(values, {})
    gone = torch.stack([v.sum(dim=(1, 2)) == 0 for v in given_.values()])
    assert all(set(v.unique().tolist()) == {0, 1} and (v.std(dim=(1, 2)) == 0).all() for v in given_.values())
    assert gone.sum(dim=0).max() == 1
    assert all(abs(share - 0.2) < 0.03 for share in gone.double().mean(dim=1).tolist())
    same = fusions[0.0].mask_inputs(values, {})
    assert all(torch.equal(same[m], values[m]) for m in modalities)
    most = fusions[0.5].mask_inputs(values, {})
    assert (sum((v.sum(dim=(1, 2)) == 0).int() for v in most.values()) == 1).all()


@pytest.mark.parametrize(
    ("clip_rate", "frame_rate", "clips", "frames"), [(0.0, 0.3, 0.3**8, 0.3), (0.4, 0.0, 0.4, 0.4), (1.0, 0.0, 1, 1)]
)
def test_vision_is_removed_by_clip_or_by_frame(
    clip_rate: float, frame_rate: float, clips: float, frames: float
) -> None:
    declared = FUSIONS.load("ablation_trained")
    rates = {"clip_rate": clip_rate, "frame_rate": frame_rate}
    fusion = declared.build(TWO, 3, declared.Options(**SMALL["ablation_trained"], **rates))
    values = {"audio": torch.ones(2000, 5, 2), "vision": torch.ones(2000, 8, 3)}
    masks = {m: torch.ones(v.shape[:2], dtype=torch.bool) for m, v in values.items()}
    torch.manual_seed(0)
    given_ = fusion.mask_inputs(values, masks)
    assert torch.equal(given_["audio"], values["audio"])
    gone = given_["vision"] == 0
    assert torch.equal(gone.any(dim=2), gone.all(dim=2))  # whole frames
    assert abs(gone.all(dim=(1, 2)).double().mean().item() - clips) < 0.04
    assert abs(gone.double().mean().item() - frames) < 0.04
    with pytest.raises(ConfigError, match="takes text away in training, and the modalities are audio, vision"):
        declared.build(TWO, 3, declared.Options(ablated="text"))


def test_frames_are_set_to_zero_whatever_the_input() -> None:
    removed = torch.tensor([[False, True, False], [True, False, False]])
    sequence, clips, images = torch.ones(2, 3, 4), torch.ones(2, 1, 3, 2, 2), torch.ones(2, 3, 2, 2)
    assert torch.equal(zero_frames(sequence, removed).mean(dim=2), 1 - removed.float())
    assert torch.equal(zero_frames(clips, removed).mean(dim=(1, 3, 4)), 1 - removed.float())
    assert torch.equal(zero_frames(images, removed[:, :1]).mean(dim=(1, 2, 3)), torch.tensor([1.0, 0.0]))
    assert torch.equal(zero_frames(clips, removed[:, :1]).mean(dim=(1, 2, 3, 4)), torch.tensor([1.0, 0.0]))


def test_a_network_removes_inputs_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"modalities": ("audio", "vision"), "encoder": "transformer", "fusion": "ablation_trained"}
    cell |= {"encoder_options": {**STACK, "ffn_dim": 8, "dropout": 0.0}}
    cell |= {"fusion_options": {**SMALL["ablation_trained"], "clip_rate": 1.0}}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,))
    torch.manual_seed(0)
    net = Network(recipe_for(experiment, experiment.cells[0], ("a", "b"), {"lld": 3, "vggface": 4}))
    seen: list[bool] = []
    monkeypatch.setattr(
        net, "encode", lambda v, m, inner=net.encode: (seen.append(bool(v["vision"].any())), inner(v, m))[1]
    )
    values = {"audio": torch.randn(2, 4, 3), "vision": torch.randn(2, 3, 4)}
    masks = {m: mask_of((v.shape[1], 2)) for m, v in values.items()}
    net.train()(values, masks)
    net.eval()(values, masks)
    assert seen == [False, True]
    assert values["vision"].any()
