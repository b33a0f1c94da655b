"""Fusions of sequences against plain loops: one clip, one step, one head at a time, without a mask."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from support.fused_steps import LENGTHS, given
from support.sequence_fusions import SMALL, fused, two_and_three
from torch import Tensor, nn

from affectstore.models.blocks.embedding import Projection, sinusoidal_positions
from affectstore.models.blocks.mlp import ResidualHead
from affectstore.models.blocks.transformer import TransformerEncoder, TransformerLayer
from affectstore.models.modules import Encoded


def plain_linear(layer: nn.Module, x: Tensor) -> Tensor:
    return torch.stack([layer.weight @ row for row in x]) + (0 if layer.bias is None else layer.bias)


def plain_norm(norm: nn.Module, x: Tensor) -> Tensor:
    rows = [(row - row.mean()) / math.sqrt(row.var(correction=0) + norm.eps) for row in x]
    return torch.stack(rows) * norm.weight + norm.bias


def plain_layer(layer: TransformerLayer, x: Tensor, context: Tensor | None) -> Tensor:
    dim, part = x.shape[1], x.shape[1] // layer.attention.heads
    queries = plain_norm(layer.norms[0], x)
    seen = queries if context is None else plain_norm(layer.norms[0], context)
    both = plain_linear(layer.attention.kv_proj, seen)
    q, k, v = plain_linear(layer.attention.q_proj, queries), both[:, :dim], both[:, dim:]
    heads = []
    for start in range(0, dim, part):
        at = slice(start, start + part)
        rows = []
        for i in range(len(x)):
            e = [math.exp(q[i, at] @ k[j, at] / math.sqrt(part)) for j in range(len(seen))]
            rows.append(sum(e[j] / sum(e) * v[j, at] for j in range(len(seen))))
        heads.append(torch.stack(rows))
    y = x + plain_linear(layer.attention.out_proj, torch.cat(heads, dim=1))
    hidden = plain_linear(layer.ffn[0], plain_norm(layer.norms[1], y)).clamp(min=0)
    return y + plain_linear(layer.ffn[1], hidden)


def plain_positions(steps: int, dim: int) -> Tensor:
    rows = [
        [(math.cos if c % 2 else math.sin)(k / 10000 ** ((c - c % 2) / dim)) for c in range(dim)] for k in range(steps)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def plain_encoder(
    encoder: TransformerEncoder, x: Tensor, context: Tensor | None = None, positions: bool = True
) -> Tensor:
    def embedded(x: Tensor) -> Tensor:
        return math.sqrt(x.shape[1]) * x + (plain_positions(*x.shape) if positions else 0)

    x, context = embedded(x), None if context is None else embedded(context)
    for layer in encoder.layers:
        x = plain_layer(layer, x, context)
    return plain_norm(encoder.norm, x)


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
    return plain_linear(head.classifier, x[None] + plain_linear(head.layers[-1], y))[0]


def own_steps(encoded: dict[str, Encoded], k: int, layer: int | None = None) -> dict[str, Tensor]:
    """Modality -> valid steps of a clip."""
    return {m: (e.sequence if layer is None else e.layers[layer])[k][e.mask[k]] for m, e in encoded.items()}


@torch.no_grad()
@two_and_three
@pytest.mark.parametrize("kernel", [1, 3])
def test_crossmodal_is_its_plain_loop(sizes: dict[str, int], kernel: int) -> None:
    built, encoded = fused("crossmodal", SMALL["crossmodal"] | {"kernel": kernel}, sizes), given(sizes)
    logits, fusion = built(encoded).logits, built.fusion
    for k in range(4):
        x = {m: plain_projection(fusion.project[m], steps) for m, steps in own_steps(encoded, k).items()}
        ends = []
        for target in x:
            read = [plain_encoder(fusion.across[f"{s}_to_{target}"], x[target], x[s]) for s in x if s != target]
            ends.append(plain_encoder(fusion.memory[target], torch.cat(read, dim=1))[-1])
        torch.testing.assert_close(logits[k], plain_head(fusion.classifier, torch.cat(ends)), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@two_and_three
@pytest.mark.parametrize("layers", [0, 3])
def test_auxformer_is_its_plain_loop(sizes: dict[str, int], layers: int) -> None:
    built, encoded = fused("auxformer", SMALL["auxformer"] | {"dim": 6}, sizes), given(sizes, layers=layers)
    main = built.fusion.main
    assert set(main.project) == set(sizes) - {"audio"}  # it has that length already
    logits = built(encoded).logits
    for k in range(4):
        steps = own_steps(encoded, k, 0 if layers else None)
        x = {m: plain_projection(main.project[m], s) if m in main.project else s for m, s in steps.items()}
        ends = []
        for s, t in permutations(x, 2):
            read = plain_encoder(main.across[f"{s}_to_{t}"], x[t], x[s])
            ends.append(plain_encoder(main.memory[f"{s}_to_{t}"], read, positions=False)[-1])
        each = [plain_head(built.fusion.auxiliary[m], encoded[m].vector[k]) for m in sizes]
        each.append(plain_head(main.classifier, torch.cat(ends)))
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
    encoded, fusion = given(sizes, lengths), built.fusion
    logits = built(encoded).logits
    for k in range(4):
        x = {}
        for m, steps in own_steps(encoded, k).items():
            if len(steps):
                x[m] = plain_projection(fusion.project[m], steps) + plain_positions(len(steps), 8) + fusion.modality[m]
        if bottlenecks:
            tokens = fusion.bottlenecks
            for layer in range(2):
                joined = {m: torch.cat([tokens, one]) for m, one in x.items()}
                read = {m: plain_layer(fusion.layers[f"{m}_{layer}"], one, None) for m, one in joined.items()}
                tokens = sum(one[:2] for one in read.values()) / len(read)
                x = {m: one[2:] for m, one in read.items()}
            steps = torch.cat(list(x.values()))
        else:
            steps = torch.cat(list(x.values()))
            for layer in range(2):
                steps = plain_layer(fusion.layers[f"joint_{layer}"], steps, None)
        pooled = plain_pool(fusion.pool, plain_norm(fusion.norm, steps))
        torch.testing.assert_close(logits[k], plain_linear(fusion.classifier, pooled[None])[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bottlenecks", [0, 2])
def test_gradients_of_the_joint_attention(bottlenecks: int) -> None:
    options = {"dim": 4, "heads": 2, "layers": 2, "attention_dim": 2, "bottlenecks": bottlenecks}
    built = fused("attention", options, {"audio": 2, "vision": 3})
    encoded = given(built.sizes, {"audio": (3, 1), "vision": (2, 2)})
    xs = [e.sequence.requires_grad_() for e in encoded.values()]
    extra = [built.fusion.bottlenecks] if bottlenecks else []

    def run(*tensors: Tensor) -> Tensor:
        return built({m: e._replace(sequence=x) for (m, e), x in zip(encoded.items(), tensors, strict=False)}).logits

    assert torch.autograd.gradcheck(run, (*xs, *extra, *built.fusion.pool.parameters()))


def test_gradients_across_modalities() -> None:
    built = fused(
        "crossmodal", {"dim": 4, "heads": 2, "layers": 1, "memory_layers": 1, "kernel": 3}, {"audio": 2, "vision": 3}
    )
    encoded = given(built.sizes, {"audio": (3, 1), "vision": (2, 2)})

    def run(*tensors: Tensor) -> Tensor:
        return built({m: e._replace(sequence=x) for (m, e), x in zip(encoded.items(), tensors, strict=False)}).logits

    project = built.fusion.project.parameters()
    assert torch.autograd.gradcheck(run, (*(e.sequence.requires_grad_() for e in encoded.values()), *project))


def test_positions_are_those_of_the_plain_loop() -> None:
    torch.testing.assert_close(sinusoidal_positions(5, 7, torch.zeros(1, dtype=torch.float64)), plain_positions(5, 7))
