"""Decoders of the ladder network, and the cost of what they restore."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from affectstore.models.fusions._align import align
from affectstore.models.fusions._combinator import Combinator
from affectstore.models.layers.masked import zeroed
from affectstore.models.layers.over_batch import moments, normalised, share_of_steps


class Decoder(nn.Module):
    """Restores the layers of one modality's encoder, from the last to the first, out of those of one encoder.

    u of the last layer is what the noisy encoder gave there, that of any other a linear map of what was restored
    above it; both are normalised over the batch. The skip connection of an own layer is the noisy layer
    itself; that of another modality's is the noisy layer laid on the steps that are restored, and a linear map of it,
    normalised over the batch, for its features are not these.

    Args:
        widths: of the layers that are restored, from the last to the first.
        skips: widths of the other modality's layers, in the same order; none where the layers are own.
    """

    def __init__(self, widths: Sequence[int], skips: Sequence[int] | None = None):
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(widths))
        self.across = nn.ModuleList(
            nn.Linear(a, b, bias=False) for a, b in zip(skips or (), widths if skips else (), strict=True)
        )
        self.combine = nn.ModuleList(Combinator(width) for width in widths)

    def forward(
        self, noisy: Sequence[Tensor], mask: Tensor, other: Sequence[Tensor] = (), other_mask: Tensor | None = None
    ) -> list[Tensor]:
        """Restored layers, each (clip, step, feature).

        Args:
            noisy: the modality's noisy layers, from the last to the first.
            mask: bool (clip, step).
            other, other_mask: those of the other modality, where its layers are what is skipped from.
        """
        restored: list[Tensor] = []
        above = noisy[0]
        for k, combine in enumerate(self.combine):
            if k:
                above = self.down[k - 1](restored[-1])
            if other_mask is None:
                skipped = noisy[k]
            else:
                laid = mask & other_mask.any(dim=1, keepdim=True)
                skipped = normalised(self.across[k](align(other[k], other_mask, mask)), laid)
            restored.append(combine(skipped, normalised(above, mask)))
        return restored


def cost(restored: Tensor, clean: Tensor, mask: Tensor, judged: Tensor) -> Tensor:
    """Mean squared difference of two layers, both normalised by the clean layer's mean and standard deviation.

    The mean is over the steps of the whole batch, also where several processes share it.

    Args:
        restored, clean: (clip, step, feature).
        mask: bool (clip, step): the layer's steps, which mean and deviation are of.
        judged: bool (clip, step): the steps of which the difference is taken.
    """
    _, deviation = moments(clean, mask)  # the mean cancels out
    squares = zeroed((restored - clean) / deviation, judged).square()
    return squares.sum() / (share_of_steps(judged) * clean.shape[2])
