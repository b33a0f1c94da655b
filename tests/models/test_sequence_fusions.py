"""Fusions of sequences: against plain loops, padding, missing modalities, what is taken away in training."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
import torch
from fused import count, linear
from fused_steps import CLASSES, LABELS, LENGTHS, THREE, TWO, FusedSteps, alone, given, mask_of, repadded
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError
from affectstore.models.base import FUSIONS, Encoded
from affectstore.models.fusions._ablation import blank
from affectstore.models.fusions._projection import Projection
from affectstore.models.fusions._residual_head import ResidualHead
from affectstore.models.layers.block import Block
from affectstore.models.layers.positions import sinusoids
from affectstore.models.layers.stack import Stack
from affectstore.models.network import Network
from affectstore.models.recipe import recipe_of

STACK = {"width": 8, "heads": 2, "layers": 2}
#: Small ones of every fusion here, dropout as it is.
SMALL: dict[str, dict[str, Any]] = {
    "ablation_trained": {**STACK, "memory_layers": 1},
    "attention": {**STACK, "pool": 5},
    "auxformer": {**STACK, "auxiliary_hidden": (7, 5)},
    "crossmodal": {**STACK, "memory_layers": 1},
}
VARIANTS = [*SMALL.items(), ("attention", SMALL["attention"] | {"bottlenecks": 3}), ("auxformer", STACK | {"width": 6})]
IDS = ["ablation_trained", "attention", "auxformer", "crossmodal", "bottlenecks", "unprojected"]
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=IDS)
two_and_three = pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])


def fused(name: str, options: dict[str, Any], sizes: dict[str, int] = TWO) -> FusedSteps:
    """In evaluation, every weight away from the 0 or 1 where it starts."""
    built = FusedSteps(name, sizes, **options)
    for p in built.weights.parameters():
        nn.init.normal_(p, std=0.4)
    built.weights.eval()
    return built


def stack(width: int, layers: int) -> int:
    """Four maps of the attention, a perceptron four times as wide, two normalisations a layer and one at the end."""
    layer = 4 * linear(width, width) + linear(width, 4 * width) + linear(4 * width, width) + 4 * width
    return layers * layer + 2 * width


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
    assert [n for n, p in built.weights.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert built.module.Options(**built.options.model_dump(mode="json")) == built.options
    built.weights.eval()
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
    if options["width"] not in sizes.values():  # what is projected is masked before
        torch.testing.assert_close(built(repadded(encoded, 5, junk=1e3)).logits, logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("missing", ["audio", "vision"])
@every_variant
def test_a_clip_may_lack_a_modality(name: str, options: dict[str, Any], missing: str) -> None:
    encoded = given(TWO, {**LENGTHS, missing: (3, 0, 2, 4)})
    built = fused(name, options)
    built.weights.train()
    output = built(encoded, LABELS)
    (F.cross_entropy(output.logits, LABELS) + sum(output.losses.values())).backward()
    assert all(p.grad.isfinite().all() for p in built.weights.parameters() if p.grad is not None)
    built.weights.eval()
    logits = built(encoded).logits
    assert logits.isfinite().all()
    torch.testing.assert_close(built(repadded(encoded, 4)).logits, logits, rtol=1e-9, atol=1e-9)
    for k in range(4):
        torch.testing.assert_close(built(alone(encoded, k)).logits[0], logits[k], rtol=1e-9, atol=1e-9)


@every_variant
def test_dropout_falls_in_training_alone(name: str, options: dict[str, Any]) -> None:
    built, encoded = fused(name, options), given(TWO)

    def logits(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return built(encoded).logits

    assert torch.equal(logits(1), logits(2))
    built.weights.train()
    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


@every_variant
def test_it_runs_in_bfloat16(name: str, options: dict[str, Any]) -> None:
    built = FusedSteps(name, TWO, **options)
    built.weights.float().eval()
    encoded = {m: Encoded(e.vector.float(), e.sequence.float(), e.mask, ()) for m, e in given(TWO).items()}
    exact = built(encoded).logits
    with torch.autocast("cpu", torch.bfloat16):
        output = built(encoded, LABELS)
    sum(output.losses.values(), output.logits.float().sum()).backward()
    torch.testing.assert_close(output.logits.float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("crossmodal", {"width": 50, "heads": 7}),
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


# Plain loops: one clip, one step, one head at a time, without a mask.


def plain_linear(layer: nn.Module, x: Tensor) -> Tensor:
    return torch.stack([layer.weight @ row for row in x]) + (0 if layer.bias is None else layer.bias)


def plain_norm(norm: nn.Module, x: Tensor) -> Tensor:
    rows = [(row - row.mean()) / math.sqrt(row.var(correction=0) + norm.eps) for row in x]
    return torch.stack(rows) * norm.weight + norm.bias


def plain_block(block: Block, x: Tensor, source: Tensor | None) -> Tensor:
    width, part = x.shape[1], x.shape[1] // block.attention.heads
    asking = plain_norm(block.norms[0], x)
    seen = asking if source is None else plain_norm(block.norms[0], source)
    both = plain_linear(block.attention.reads, seen)
    q, k, v = plain_linear(block.attention.asks, asking), both[:, :width], both[:, width:]
    heads = []
    for start in range(0, width, part):
        at = slice(start, start + part)
        rows = []
        for i in range(len(x)):
            e = [math.exp(q[i, at] @ k[j, at] / math.sqrt(part)) for j in range(len(seen))]
            rows.append(sum(e[j] / sum(e) * v[j, at] for j in range(len(seen))))
        heads.append(torch.stack(rows))
    y = x + plain_linear(block.attention.out, torch.cat(heads, dim=1))
    hidden = plain_linear(block.perceptron[0], plain_norm(block.norms[1], y)).clamp(min=0)
    return y + plain_linear(block.perceptron[1], hidden)


def plain_positions(steps: int, width: int) -> Tensor:
    rows = [
        [(math.cos if c % 2 else math.sin)(k / 10000 ** ((c - c % 2) / width)) for c in range(width)]
        for k in range(steps)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def plain_stack(built: Stack, x: Tensor, source: Tensor | None = None, positions: bool = True) -> Tensor:
    def embedded(x: Tensor) -> Tensor:
        return math.sqrt(x.shape[1]) * x + (plain_positions(*x.shape) if positions else 0)

    x, source = embedded(x), None if source is None else embedded(source)
    for block in built.blocks:
        x = plain_block(block, x, source)
    return plain_norm(built.norm, x)


def plain_projection(project: Projection, x: Tensor) -> Tensor:
    kernel = project.convolution.weight  # (out, in, tap)
    middle = kernel.shape[2] // 2
    return torch.stack(
        [
            sum(kernel[:, :, t] @ x[k + t - middle] for t in range(kernel.shape[2]) if 0 <= k + t - middle < len(x))
            for k in range(len(x))
        ]
    )


def plain_head(head: ResidualHead, x: Tensor) -> Tensor:
    y = x[None]
    for layer in head.layers[:-1]:
        y = plain_linear(layer, y).clamp(min=0)
    return plain_linear(head.classify, x[None] + plain_linear(head.layers[-1], y))[0]


def own_steps(encoded: dict[str, Encoded], k: int, layer: int | None = None) -> dict[str, Tensor]:
    """Modality -> the real steps of a clip."""
    return {m: (e.sequence if layer is None else e.layers[layer])[k][e.mask[k]] for m, e in encoded.items()}


@torch.no_grad()
@two_and_three
@pytest.mark.parametrize("kernel", [1, 3])
def test_crossmodal_is_its_plain_loop(sizes: dict[str, int], kernel: int) -> None:
    built, encoded = fused("crossmodal", SMALL["crossmodal"] | {"kernel": kernel}, sizes), given(sizes)
    logits, w = built(encoded).logits, built.weights
    for k in range(4):
        x = {m: plain_projection(w["project"][m], steps) for m, steps in own_steps(encoded, k).items()}
        ends = []
        for target in x:
            read = [plain_stack(w["across"][f"{s}_to_{target}"], x[target], x[s]) for s in x if s != target]
            ends.append(plain_stack(w["memory"][target], torch.cat(read, dim=1))[-1])
        torch.testing.assert_close(logits[k], plain_head(w["classify"], torch.cat(ends)), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@two_and_three
@pytest.mark.parametrize("layers", [0, 3])
def test_auxformer_is_its_plain_loop(sizes: dict[str, int], layers: int) -> None:
    built, encoded = fused("auxformer", SMALL["auxformer"] | {"width": 6}, sizes), given(sizes, layers=layers)
    main = built.weights["main"]
    assert set(main.project) == set(sizes) - {"audio"}  # it has the width already
    logits = built(encoded).logits
    for k in range(4):
        steps = own_steps(encoded, k, 0 if layers else None)
        x = {m: plain_projection(main.project[m], s) if m in main.project else s for m, s in steps.items()}
        ends = []
        for s, t in permutations(x, 2):
            read = plain_stack(main.across[f"{s}_to_{t}"], x[t], x[s])
            ends.append(plain_stack(main.memory[f"{s}_to_{t}"], read, positions=False)[-1])
        each = [plain_head(built.weights["auxiliary"][m], encoded[m].vector[k]) for m in sizes]
        each.append(plain_head(main.classify, torch.cat(ends)))
        torch.testing.assert_close(logits[k], sum(each) / len(each), rtol=1e-9, atol=1e-9)


def plain_pool(pool: nn.Module, x: Tensor) -> Tensor:
    e = [math.exp(pool.score.weight[0] @ torch.tanh(pool.project.weight @ row + pool.project.bias)) for row in x]
    return sum(share / sum(e) * row for share, row in zip(e, x, strict=True))


@torch.no_grad()
@two_and_three
@pytest.mark.parametrize("bottlenecks", [0, 2])
def test_attention_is_its_plain_loop(sizes: dict[str, int], bottlenecks: int) -> None:
    built = fused("attention", SMALL["attention"] | {"bottlenecks": bottlenecks}, sizes)
    lengths = {**LENGTHS, "vision": (3, 5, 0, 2)}
    encoded, w = given(sizes, lengths), built.weights
    logits = built(encoded).logits
    for k in range(4):
        x = {}
        for m, steps in own_steps(encoded, k).items():
            if len(steps):
                x[m] = plain_projection(w.project[m], steps) + plain_positions(len(steps), 8) + w.modality[m]
        if bottlenecks:
            tokens = w.bottlenecks
            for layer in range(2):
                read = {m: plain_block(w.blocks[m][layer], torch.cat([tokens, one]), None) for m, one in x.items()}
                tokens = sum(one[:2] for one in read.values()) / len(read)
                x = {m: one[2:] for m, one in read.items()}
            steps = torch.cat(list(x.values()))
        else:
            steps = torch.cat(list(x.values()))
            for block in w.blocks["joint"]:
                steps = plain_block(block, steps, None)
        pooled = plain_pool(w.pool, plain_norm(w.norm, steps))
        torch.testing.assert_close(logits[k], plain_linear(w.classify, pooled[None])[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bottlenecks", [0, 2])
def test_gradients_of_the_joint_attention(bottlenecks: int) -> None:
    options = {"width": 4, "heads": 2, "layers": 2, "pool": 2, "bottlenecks": bottlenecks}
    built = fused("attention", options, {"audio": 2, "vision": 3})
    encoded = given(built.sizes, {"audio": (3, 1), "vision": (2, 2)})
    xs = [e.sequence.requires_grad_() for e in encoded.values()]
    extra = [built.weights.bottlenecks] if bottlenecks else []

    def run(*tensors: Tensor) -> Tensor:
        return built({m: e._replace(sequence=x) for (m, e), x in zip(encoded.items(), tensors, strict=False)}).logits

    assert torch.autograd.gradcheck(run, (*xs, *extra, *built.weights.pool.parameters()))


def test_gradients_across_modalities() -> None:
    built = fused(
        "crossmodal", {"width": 4, "heads": 2, "layers": 1, "memory_layers": 1, "kernel": 3}, {"audio": 2, "vision": 3}
    )
    encoded = given(built.sizes, {"audio": (3, 1), "vision": (2, 2)})

    def run(*tensors: Tensor) -> Tensor:
        return built({m: e._replace(sequence=x) for (m, e), x in zip(encoded.items(), tensors, strict=False)}).logits

    project = built.weights["project"].parameters()
    assert torch.autograd.gradcheck(run, (*(e.sequence.requires_grad_() for e in encoded.values()), *project))


def test_positions_are_those_of_the_plain_loop() -> None:
    torch.testing.assert_close(sinusoids(5, 7, torch.zeros(1, dtype=torch.float64)), plain_positions(5, 7))


# Losses, and what is taken away in training.


def test_auxformer_learns_by_the_mean_of_the_losses_of_its_networks() -> None:
    built, encoded = fused("auxformer", SMALL["auxformer"]), given(TWO)
    alone = built.module.scores(built.weights, encoded, built.options)
    joint = built.weights["main"](encoded)
    output = built(encoded, LABELS)
    losses = {name: F.cross_entropy(one, LABELS) / 3 for name, one in [("joint", joint), *alone.items()]}
    assert list(output.losses) == ["joint", "auxiliary_audio", "auxiliary_vision"]
    torch.testing.assert_close(list(output.losses.values()), list(losses.values()))
    torch.testing.assert_close(output.logits, (joint + alone["audio"] + alone["vision"]) / 3)
    assert not output.logits.requires_grad
    assert built(encoded).logits.requires_grad


def test_equal_vectors_share_the_auxiliary_classifier() -> None:
    module = FUSIONS.load("auxformer")
    same, other = (
        module.weights({"audio": 8, "vision": size}, 3, module.Options(**STACK))["auxiliary"] for size in (8, 6)
    )
    assert list(same) == ["shared"]
    assert list(other) == ["audio", "vision"]


@pytest.mark.parametrize("modalities", [("audio", "vision"), ("audio", "vision", "text")])
def test_modality_dropout_takes_one_modality_of_a_clip_at_most(modalities: tuple[str, ...]) -> None:
    module = FUSIONS.load("auxformer")
    values = {m: torch.ones(4000, 3, 2) for m in modalities}
    torch.manual_seed(0)
    given_ = module.ablate(values, {}, module.Options(modality_dropout=0.2))
    gone = torch.stack([v.sum(dim=(1, 2)) == 0 for v in given_.values()])
    assert all(set(v.unique().tolist()) == {0, 1} and (v.std(dim=(1, 2)) == 0).all() for v in given_.values())
    assert gone.sum(dim=0).max() == 1
    assert all(abs(share - 0.2) < 0.03 for share in gone.double().mean(dim=1).tolist())
    same = module.ablate(values, {}, module.Options(modality_dropout=0.0))
    assert all(torch.equal(same[m], values[m]) for m in modalities)
    most = module.ablate(values, {}, module.Options(modality_dropout=0.5))
    assert (sum((v.sum(dim=(1, 2)) == 0).int() for v in most.values()) == 1).all()


@pytest.mark.parametrize(
    ("clip_rate", "frame_rate", "clips", "frames"), [(0.0, 0.3, 0.3**8, 0.3), (0.4, 0.0, 0.4, 0.4), (1.0, 0.0, 1, 1)]
)
def test_vision_is_ablated_by_clip_or_by_frame(
    clip_rate: float, frame_rate: float, clips: float, frames: float
) -> None:
    module = FUSIONS.load("ablation_trained")
    options = module.Options(clip_rate=clip_rate, frame_rate=frame_rate)
    values = {"audio": torch.ones(2000, 5, 2), "vision": torch.ones(2000, 8, 3)}
    masks = {m: torch.ones(v.shape[:2], dtype=torch.bool) for m, v in values.items()}
    torch.manual_seed(0)
    given_ = module.ablate(values, masks, options)
    assert torch.equal(given_["audio"], values["audio"])
    gone = given_["vision"] == 0
    assert torch.equal(gone.any(dim=2), gone.all(dim=2))  # whole frames
    assert abs(gone.all(dim=(1, 2)).double().mean().item() - clips) < 0.04
    assert abs(gone.double().mean().item() - frames) < 0.04
    with pytest.raises(ConfigError, match="takes text away in training, and the modalities are audio, vision"):
        module.weights(TWO, 3, module.Options(ablated="text"))


def test_what_is_blanked_is_the_frame_whatever_the_input() -> None:
    taken = torch.tensor([[False, True, False], [True, False, False]])
    sequence, clips, pictures = torch.ones(2, 3, 4), torch.ones(2, 1, 3, 2, 2), torch.ones(2, 3, 2, 2)
    assert torch.equal(blank(sequence, taken).mean(dim=2), 1 - taken.float())
    assert torch.equal(blank(clips, taken).mean(dim=(1, 3, 4)), 1 - taken.float())
    assert torch.equal(blank(pictures, taken[:, :1]).mean(dim=(1, 2, 3)), torch.tensor([1.0, 0.0]))
    assert torch.equal(blank(clips, taken[:, :1]).mean(dim=(1, 2, 3, 4)), torch.tensor([1.0, 0.0]))


def test_a_network_takes_away_in_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"modalities": ("audio", "vision"), "encoder": "transformer", "fusion": "ablation_trained"}
    cell |= {"encoder_options": {**STACK, "hidden": 8, "dropout": 0.0}}
    cell |= {"fusion_options": {**SMALL["ablation_trained"], "clip_rate": 1.0}}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,))
    torch.manual_seed(0)
    net = Network(recipe_of(experiment, experiment.cells[0], ("a", "b"), {"lld": 3, "vggface": 4}))
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
