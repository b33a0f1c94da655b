"""Fusion word by word: the steps under each word, from the store to the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.fused_steps import CLASSES, LABELS, LENGTHS, THREE, FusedSteps, alone, given, repadded
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.modules import Encoded

TWO = {"audio": 6, "text": 5}
SMALL = {"hidden_dim": 4, "lstm_dim": 3, "attention_dim": 2}

two_and_three = pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
both_ways = pytest.mark.parametrize("states", ["boundaries", "mean"])


def fused(sizes: dict[str, int], states: str = "boundaries") -> FusedSteps:
    built = FusedSteps("word_gmu", sizes, states=states, **SMALL)
    for p in built.fusion.parameters():
        nn.init.normal_(p, std=0.4)
    built.fusion.eval()
    return built


def spoken(encoded: dict[str, Encoded], seed: int = 2) -> dict[str, Encoded]:
    """Random spans within each clip's steps; none where the clip has no steps."""
    rng = np.random.default_rng(seed)
    words = encoded["text"].mask
    aligned = {"text": encoded["text"]}
    for modality in set(encoded) - {"text"}:
        spans = torch.zeros(*words.shape, 2, dtype=torch.int64)
        for clip, word in words.nonzero().tolist():
            steps = int(encoded[modality].mask[clip].sum())
            if steps:
                first = int(rng.integers(steps))
                spans[clip, word] = torch.tensor([first, rng.integers(first + 1, steps + 1)])
        aligned[modality] = encoded[modality]._replace(spans=spans)
    return {modality: aligned[modality] for modality in encoded}


def by_hand(built: FusedSteps, encoded: dict[str, Encoded], clip: int, states: str) -> Tensor:
    """Logits of one clip, word by word in plain loops."""
    fusion, words = built.fusion, int(encoded["text"].mask[clip].sum())
    joined = []
    for word in range(words):
        taken = {}
        for modality, one in encoded.items():
            if modality == "text":
                taken[modality] = one.sequence[clip, word]
                continue
            first, end = one.spans[clip, word].tolist()
            steps = one.sequence[clip, first:end]
            if states == "mean":
                taken[modality] = steps.mean(dim=0)
            else:
                half = steps.shape[1] // 2
                taken[modality] = torch.cat([steps[-1, :half], steps[0, half:]])
        hidden = {m: torch.tanh(fusion.unit.hidden[m](x)) for m, x in taken.items()}
        gates = torch.sigmoid(fusion.unit.gate(torch.cat(list(taken.values()))))
        if len(taken) == 2:
            first, second = hidden.values()
            joined.append(gates * first + (1 - gates) * second)
        else:
            dim = SMALL["hidden_dim"]
            joined.append(sum(gates[k * dim : (k + 1) * dim] * h for k, h in enumerate(hidden.values())))
    (layer,) = fusion.lstm.layers
    steps = torch.stack(joined)
    read = torch.cat([layer.forward_lstm(steps)[0], layer.backward_lstm(steps.flip(0))[0].flip(0)], dim=1)
    attention = fusion.attention
    shares = attention.score(torch.tanh(attention.project(read))).softmax(dim=0)
    return fusion.classifier((shares * read).sum(dim=0))


@two_and_three
@both_ways
def test_logits_equal_those_of_a_plain_loop_over_words(sizes: dict[str, int], states: str) -> None:
    built, encoded = fused(sizes, states), spoken(given(sizes))
    logits = built(encoded).logits
    assert logits.shape == (len(LABELS), CLASSES)
    for clip in range(len(LABELS)):
        torch.testing.assert_close(logits[clip], by_hand(built, encoded, clip, states), rtol=1e-9, atol=1e-12)


@both_ways
def test_neither_padding_nor_its_values_count(states: str) -> None:
    built, encoded = fused(THREE, states), spoken(given(THREE))
    spans = {m: one.spans for m, one in encoded.items()}
    logits = built(encoded).logits
    longer = {
        m: one._replace(spans=None if spans[m] is None else F.pad(spans[m], (0, 0, 0, 2)))
        for m, one in repadded(encoded, 2, junk=7.0).items()
    }
    torch.testing.assert_close(built(longer).logits, logits, rtol=1e-9, atol=1e-12)
    for k in range(len(LABELS)):
        single = alone(encoded, k)
        words = single["text"].mask.shape[1]
        single = {
            m: one._replace(spans=None if spans[m] is None else spans[m][k : k + 1, :words])
            for m, one in single.items()
        }
        torch.testing.assert_close(built(single).logits[0], logits[k], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("missing", list(THREE))
@both_ways
def test_a_clip_may_lack_a_modality(states: str, missing: str) -> None:
    lengths = {**LENGTHS, missing: (0, *LENGTHS[missing][1:])}
    encoded = spoken(given(THREE, lengths))
    built = fused(THREE, states)
    logits = built(encoded, LABELS).logits
    assert logits.isfinite().all()
    F.cross_entropy(logits, LABELS).backward()
    assert all(p.grad.isfinite().all() for p in built.fusion.parameters())


@both_ways
def test_gradients(states: str) -> None:
    built, encoded = fused(TWO, states), spoken(given(TWO))
    sequences = [one.sequence.requires_grad_() for one in encoded.values()]

    def logits(*sequences: Tensor) -> Tensor:
        changed = {m: one._replace(sequence=x) for (m, one), x in zip(encoded.items(), sequences, strict=True)}
        return built(changed).logits

    assert torch.autograd.gradcheck(logits, sequences)


# From the store to a batch.
