"""Fusions of vectors against plain loops and written-out formulas; parameters of these and of late fusions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.fused import CLASSES, SCORE, THREE, TWO, VECTOR, Fused, count, drawn, linear
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.fusions.tfn import outer
from affectstore.models.spec import FUSIONS

WIDE = {"audio": 256, "text": 256}
UNEQUAL = {"audio": 200, "vision": 512}
ALL = {"audio": 200, "vision": 512, "text": 256}


@pytest.mark.parametrize(
    ("name", "sizes", "classes", "options", "parameters"),
    [
        ("gmu", WIDE, 4, {}, 131_972),  # 2 x 32,896 + 65,664 + 516
        ("gmu", ALL, 4, {}, 124_288 + 3 * linear(968, 128) + 516),
        ("gmu", WIDE, 4, {"hidden_dim": 7}, 2 * linear(256, 7) + linear(512, 7) + 32),
        ("equalised", WIDE, 4, {}, 65_664 + 8_256 + 260),  # 512 -> 128 -> 64 -> 4
        ("equalised", UNEQUAL, 6, {}, 102_600 + 40_200 + 51_328 + 8_256 + 390),
        ("equalised", UNEQUAL, 6, {"dim": 10, "hidden_dims": ()}, 2_010 + 110 + 5_130 + 110 + 126),
        ("probe", UNEQUAL, 6, {}, 202_774 + 2 * (linear(200, 64) + 390)),
        ("joint_loss", UNEQUAL, 6, {}, 102_600 + 40_200 + linear(200, 128) + 8_256 + 390),
        ("joint_loss", ALL, 6, {}, 102_600 + linear(256, 200) + 2 * 40_200 + linear(200, 128) + 8_256 + 390),
        ("sum", ALL, 6, {}, 6 * 968 + 3 * 6),
        ("sum", ALL, 6, {"hidden_dim": 9}, 9 * 968 + 3 * 9 + 60),
        ("film", UNEQUAL, 6, {}, linear(200, 1024) + linear(512, 6)),
        ("film", ALL, 6, {"modulated": "first"}, linear(768, 400) + linear(200, 6)),
        ("gated", UNEQUAL, 6, {}, linear(200, 128) + linear(512, 128) + linear(128, 6)),
        ("tfn", UNEQUAL, 6, {}, linear(200, 32) + linear(512, 128) + linear(33 * 129, 64) + linear(64, 64) + 390),
        ("tfn", ALL, 6, {}, 104_992 + linear(549_153, 64) + 4_160 + 390),
        ("lmf", UNEQUAL, 6, {}, linear(200, 16) + linear(512, 128) + 17 * 18 + 129 * 18),
        ("lmf", ALL, 6, {"rank": 4}, 3_216 + 65_664 + 32_896 + (17 + 129 + 129) * 24),
        *((name, ALL, 6, {}, 6 * 968 + 18) for name in SCORE),
    ],
)
def test_parameters(name: str, sizes: dict[str, int], classes: int, options: dict[str, Any], parameters: int) -> None:
    assert count(name, sizes, classes, **options) == parameters


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("name", [*VECTOR, *SCORE])
def test_two_and_three_modalities(name: str, sizes: dict[str, int]) -> None:
    fused, vectors = Fused(name, sizes), drawn(sizes)
    labels = torch.tensor([0, 1, 2, 0])
    output = fused(vectors, labels)
    assert output.logits.shape == (4, CLASSES)
    assert fused(vectors).losses == {}
    torch.testing.assert_close(fused(vectors).logits, output.logits, rtol=0, atol=0)
    (F.cross_entropy(output.logits, labels) + sum(output.losses.values())).backward()
    assert [n for n, p in fused.fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert fused.declared.Options(**fused.options.model_dump(mode="json")) == fused.options
    for modality in sizes:
        other = {**vectors, modality: vectors[modality] + 1}
        assert not torch.equal(fused(other).logits, fused(vectors).logits)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gmu", {"hidden_dim": 0}),
        ("lmf", {"rank": 0}),
        ("tfn", {"dropout": 1.0}),
        ("tfn", {"hidden_dims": (64, 0)}),
        ("probe", {"weight": 0}),
        ("joint_loss", {"similarity": -1}),
        ("stacked", {"l2": 0}),
        ("film", {"modulated": "audio"}),
        ("mean", {"dim": 3}),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FUSIONS.load(name).Options(**options)


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gmu", {"hidden_dim": 4}),
        ("film", {}),
        ("gated", {"hidden_dim": 4}),
        ("tfn", {"audio": 2, "vision": 3, "text": 2, "hidden_dims": (3,)}),
        ("lmf", {"audio": 2, "vision": 3, "text": 2}),
    ],
)
def test_gradients_are_right(name: str, options: dict[str, Any], sizes: dict[str, int]) -> None:
    fused, vectors = Fused(name, sizes, **options), drawn(sizes, clips=2)
    names = [n for n, _ in fused.fusion.named_parameters()]

    def run(*tensors: Tensor) -> Tensor:
        given = dict(zip(sizes, tensors, strict=False))
        module = nn.Module()
        module.inner = fused.fusion

        def forward() -> Tensor:
            return fused(given).logits

        module.forward = forward  # type: ignore[method-assign]
        named = {f"inner.{n}": t for n, t in zip(names, tensors[len(sizes) :], strict=True)}
        return torch.func.functional_call(module, named, ())

    tensors = [*vectors.values(), *(p.detach() for p in fused.fusion.parameters())]
    assert torch.autograd.gradcheck(run, [t.clone().requires_grad_() for t in tensors])


def dot(row: Tensor, vector: Tensor) -> float:
    return sum(float(a) * float(b) for a, b in zip(row, vector, strict=True))


def apply(layer: tuple[Tensor, Tensor], vector: Any) -> list[float]:
    """A linear layer, one output at a time."""
    return [dot(row, vector) + float(bias) for row, bias in zip(*layer, strict=True)]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_loop(name: str, fused: Fused, clip: dict[str, Tensor]) -> list[float]:
    """Logits of one clip as the papers write them, one number at a time."""
    order = list(clip)
    joined = [float(x) for vector in clip.values() for x in vector]
    if name == "gmu":
        dim = fused.options.hidden_dim
        hidden = {m: [math.tanh(x) for x in apply(fused[f"unit.hidden.{m}"], v)] for m, v in clip.items()}
        z = [sigmoid(x) for x in apply(fused["unit.gate"], joined)]
        if len(clip) == 2:
            first, second = order
            h = [z[k] * hidden[first][k] + (1 - z[k]) * hidden[second][k] for k in range(dim)]
        else:
            h = [sum(z[i * dim + k] * hidden[m][k] for i, m in enumerate(order)) for k in range(dim)]
        return apply(fused["classifier"], h)
    if name in ("film", "gated"):
        place = fused.options.modulated if name == "film" else fused.options.gated
        one = order[-1] if place == "last" else order[0]
        others = [float(x) for m, v in clip.items() if m != one for x in v]
        if name == "gated":
            gate = [sigmoid(x) for x in apply(fused["gate"], others)]
            value = apply(fused["value"], clip[one])
            return apply(fused["classifier"], [g * x for g, x in zip(gate, value, strict=True)])
        factors, size = apply(fused["modulation"], others), len(clip[one])
        modulated = [(1 + factors[k]) * float(clip[one][k]) + factors[size + k] for k in range(size)]
        return apply(fused["classifier"], modulated)
    hidden = {m: [max(x, 0.0) for x in apply(fused[f"project.layers.{m}"], v)] + [1.0] for m, v in clip.items()}
    if name == "tfn":
        product = [1.0]
        for m in order:
            product = [a * b for a in product for b in hidden[m]]
        layers = [layer for layer in fused.fusion.classifier if isinstance(layer, nn.Linear)]
        for layer in layers[:-1]:
            product = [max(x, 0.0) for x in apply((layer.weight, layer.bias), product)]
        return apply((layers[-1].weight, layers[-1].bias), product)
    logits = [0.0] * CLASSES
    for r in range(fused.options.rank):
        for k in range(CLASSES):
            term = 1.0
            for m in order:
                weight, bias = fused[f"factors.{m}"]
                row = torch.cat([weight[r * CLASSES + k], bias[r * CLASSES + k : r * CLASSES + k + 1]])
                term *= dot(row, hidden[m])
            logits[k] += term
    return logits


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gmu", {"hidden_dim": 4}),
        ("film", {}),
        ("film", {"modulated": "first"}),
        ("gated", {"hidden_dim": 4}),
        ("gated", {"hidden_dim": 4, "gated": "first"}),
        ("tfn", {"audio": 2, "vision": 3, "text": 4, "hidden_dims": (5, 4)}),
        ("lmf", {"audio": 2, "vision": 3, "text": 4, "rank": 2}),
    ],
)
def test_logits_are_those_of_a_plain_loop(name: str, options: dict[str, Any], sizes: dict[str, int]) -> None:
    fused, vectors = Fused(name, sizes, **options), drawn(sizes)
    with torch.no_grad():
        logits = fused(vectors).logits
        expected = [by_loop(name, fused, {m: v[k] for m, v in vectors.items()}) for k in range(4)]
    torch.testing.assert_close(logits, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12)


def test_the_outer_product_holds_products_of_all_of_some_and_of_one() -> None:
    product = outer([torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0]]), torch.tensor([[7.0, 11.0]])])
    expected = [[[a * b * c for c in (7, 11, 1)] for b in (5, 1)] for a in (2, 3, 1)]
    assert torch.equal(product, torch.tensor(expected, dtype=torch.float32).reshape(1, -1))


SMALL = {"audio": 2, "vision": 3, "text": 2}


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
def test_lmf_is_a_tfn_whose_linear_layer_is_its_factors_product(sizes: dict[str, int]) -> None:
    low, full, vectors = Fused("lmf", sizes, **SMALL), Fused("tfn", sizes, **SMALL, hidden_dims=()), drawn(sizes)
    tensor = torch.ones(low.options.rank, CLASSES, 1, dtype=torch.float64)
    for m in sizes:
        weight, bias = low[f"factors.{m}"]
        factor = torch.cat([weight, bias.unsqueeze(1)], dim=1).unflatten(0, (-1, CLASSES))
        tensor = torch.einsum("rki,rkj->rkij", tensor, factor).flatten(2)
        full.fusion.project.layers[m].load_state_dict(low.fusion.project.layers[m].state_dict())
    weight, bias = full["classifier.0"]
    weight.copy_(tensor.sum(dim=0))
    bias.zero_()
    torch.testing.assert_close(low(vectors).logits, full(vectors).logits, rtol=1e-10, atol=1e-12)


def test_a_tfn_of_one_linear_layer_is_an_lmf_of_enough_rank() -> None:
    full, vectors = Fused("tfn", TWO, **SMALL, hidden_dims=()), drawn(TWO)
    rank = min(SMALL["audio"], SMALL["vision"]) + 1
    low = Fused("lmf", TWO, **SMALL, rank=rank)
    weight, bias = full["classifier.0"]
    tensor = weight.reshape(CLASSES, SMALL["audio"] + 1, SMALL["vision"] + 1).clone()
    tensor[:, -1, -1] += bias
    u, s, v = torch.linalg.svd(tensor, full_matrices=False)
    factors = {"audio": (u * s.unsqueeze(1)).permute(2, 0, 1), "vision": v.permute(1, 0, 2)}  # (rank, class, dim + 1)
    for m, factor in factors.items():
        low.fusion.project.layers[m].load_state_dict(full.fusion.project.layers[m].state_dict())
        low.fusion.factors[m].weight.data.copy_(factor[..., :-1].flatten(0, 1))
        low.fusion.factors[m].bias.data.copy_(factor[..., -1].flatten())
    torch.testing.assert_close(low(vectors).logits, full(vectors).logits, rtol=1e-10, atol=1e-12)


def test_dropout_leaves_evaluation_alone() -> None:
    fused, vectors = Fused("tfn", TWO, dropout=0.9), drawn(TWO)
    assert not torch.equal(fused(vectors).logits, fused(vectors).logits)
    fused.fusion.eval()
    assert torch.equal(fused(vectors).logits, fused(vectors).logits)


def test_summed_logits_are_a_linear_layer_on_the_joined_vectors() -> None:
    fused, vectors = Fused("sum", THREE), drawn(THREE)
    weight = torch.cat([fused[f"layers.{m}"][0] for m in THREE], dim=1)
    bias = sum(fused[f"layers.{m}"][1] for m in THREE)
    torch.testing.assert_close(fused(vectors).logits, F.linear(torch.cat(list(vectors.values()), dim=1), weight, bias))
    hidden = Fused("sum", THREE, hidden_dim=6)
    summed = sum(torch.tanh(F.linear(vectors[m], *hidden[f"layers.{m}"])) for m in THREE)
    torch.testing.assert_close(hidden(vectors).logits, F.linear(summed, *hidden["classifier"]))


@pytest.mark.parametrize("name", [*VECTOR, *SCORE])
def test_half_precision_changes_little(name: str) -> None:
    fused, vectors, labels = Fused(name, TWO), drawn(TWO), torch.tensor([0, 1, 2, 0])
    fused.fusion.float()
    vectors = {m: v.float() for m, v in vectors.items()}
    whole = fused(vectors, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = fused(vectors, labels)
    torch.testing.assert_close(half.logits.float(), whole.logits, rtol=0.05, atol=0.05)
    for loss, value in whole.losses.items():
        assert half.losses[loss].dtype == torch.float32
        torch.testing.assert_close(half.losses[loss], value, rtol=0.05, atol=0.02)
