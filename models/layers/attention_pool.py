"""The weighted sum of a sequence's steps, by attention with one learnt query."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from affectstore.models.layers.masked import readable, zeroed


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
