"""From a sequence to the vector of its clip."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from affectstore.models.encoders._masked import last, mean, readable, zeroed


class AttentionPool(nn.Module):
    """Context attention (Bahdanau et al. 2014): e = v^T tanh(W h + b), softmax over the steps, weighted sum.

    v has no bias, which the softmax would cancel.

    Args:
        width: of each step.
        hidden: length of v.
    """

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.project = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def shares(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Weight of each step, (clip, step): a clip's sum to 1, padding has 0."""
        scores = self.score(torch.tanh(self.project(sequence))).squeeze(-1)
        return scores.masked_fill(~readable(mask), -torch.inf).softmax(dim=1)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Sequences (clip, step, feature) to vectors (clip, feature)."""
        shares = self.shares(sequence, mask).to(sequence.dtype)
        return (shares[:, None] @ zeroed(sequence, mask)).squeeze(1)


def attention_of(pooling: str, width: int, hidden: int) -> dict[str, nn.Module]:
    """What a pooling learns, by the name under which `pooled` looks for it; empty for all but `attention`."""
    return {"attention": AttentionPool(width, hidden)} if pooling == "attention" else {}


def pooled(pooling: str, weights: Any, sequence: Tensor, mask: Tensor) -> Tensor:
    """Vectors (clip, feature) of sequences.

    Args:
        pooling: `last` the last step, `cls` the first, `mean` over the steps, `attention` the weighted sum.
        weights: holds what `attention_of` gave.
        sequence: (clip, step, feature).
        mask: bool (clip, step).
    """
    if pooling == "attention":
        return weights["attention"](sequence, mask)
    if pooling == "cls":
        return zeroed(sequence, mask)[:, 0]
    return {"last": last, "mean": mean}[pooling](sequence, mask)
