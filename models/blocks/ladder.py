"""Decoders of the ladder network (Rasmus et al. 2015, "Semi-Supervised Learning with Ladder Networks")."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from affectstore.models.blocks.batch_stats import batch_mean_std, batch_normalise, num_batch_steps
from affectstore.models.blocks.masked import apply_mask


class Combinator(nn.Module):
    """Combine the skip connection with the decoder's layer above (equation 2).

        z^ = (z~ - mu(u)) v(u) + mu(u)
        mu(u) = a1 sigmoid(a2 u + a3) + a4 u + a5        v(u) = a6 sigmoid(a7 u + a8) + a9 u + a10

    z~ is the skip connection, u the layer above; a1 to a10 are trainable for each column. As published all start at 0
    but a2 = a7 = 1: at first nothing is restored, and only the terms before a sigmoid or alone have a gradient.

    Args:
        dim: Columns of the layer that is restored.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        a = torch.zeros(10, dim)
        a[[1, 6]] = 1.0
        self.a = nn.Parameter(a)

    def forward(self, noisy: Tensor, above: Tensor) -> Tensor:
        """Two tensors (..., dim) to the restored one, (..., dim)."""
        a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = self.a.unbind()
        mean = a1 * torch.sigmoid(a2 * above + a3) + a4 * above + a5
        scale = a6 * torch.sigmoid(a7 * above + a8) + a9 * above + a10
        return (noisy - mean) * scale + mean


def resample_steps(sequence: Tensor, mask: Tensor, target_mask: Tensor) -> Tensor:
    """Resample a sequence to the steps of another one of the same clips, by linear interpolation over time.

    Both span the whole clip, each with its own number of equally long steps: step k of n lies at (k + 1/2) / n. Before
    the first and after the last of these points a sequence is constant.

    Args:
        sequence: (clip, step, dim).
        mask: bool (clip, step), its steps.
        target_mask: bool (clip, other step), the steps it is resampled to.

    Returns:
        (clip, other step, dim), zero where `target_mask` is False and for clips without steps.
    """
    have, want = (m.sum(dim=1, keepdim=True).double() for m in (mask, target_mask))
    step = torch.arange(target_mask.shape[1], device=target_mask.device, dtype=torch.float64)
    end = (have - 1).clamp(min=0)
    place = ((step + 0.5) * have / want.clamp(min=1) - 0.5).clamp(min=0).minimum(end)
    before = place.floor()
    after = (before + 1).minimum(end)
    weight = (place - before).to(sequence.dtype)[..., None]
    clip = torch.arange(len(sequence), device=target_mask.device)[:, None]
    resampled = sequence[clip, before.long()] * (1 - weight) + sequence[clip, after.long()] * weight
    return apply_mask(resampled, target_mask & mask.any(dim=1, keepdim=True))


class Decoder(nn.Module):
    """Restore the layers of one modality's encoder, from the last to the first, from the noisy layers of one encoder.

    u of the last layer is the noisy encoder's last layer, that of any other a linear map of the layer restored above
    it; both are normalised over the batch. The skip connection of the modality's own layers is the noisy layer itself;
    that of another modality is its noisy layer resampled to the steps that are restored, mapped linearly and normalised
    over the batch.

    Args:
        dims: Of the layers that are restored, from the last to the first.
        skip_dims: Of the other modality's layers, in the same order; None where the skipped layers are the own ones.
    """

    def __init__(self, dims: Sequence[int], skip_dims: Sequence[int] | None = None) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(dims))
        self.across = nn.ModuleList(
            nn.Linear(a, b, bias=False) for a, b in zip(skip_dims or (), dims if skip_dims else (), strict=True)
        )
        self.combine = nn.ModuleList(Combinator(dim) for dim in dims)

    def forward(
        self, noisy: Sequence[Tensor], mask: Tensor, other: Sequence[Tensor] = (), other_mask: Tensor | None = None
    ) -> list[Tensor]:
        """Restored layers, each (clip, step, dim).

        Args:
            noisy: The modality's noisy layers, from the last to the first.
            mask: bool (clip, step).
            other, other_mask: Those of the other modality, where its layers are skipped from.
        """
        restored: list[Tensor] = []
        above = noisy[0]
        for k, combine in enumerate(self.combine):
            if k:
                above = self.down[k - 1](restored[-1])
            if other_mask is None:
                skipped = noisy[k]
            else:
                valid = mask & other_mask.any(dim=1, keepdim=True)
                skipped = batch_normalise(self.across[k](resample_steps(other[k], other_mask, mask)), valid)
            restored.append(combine(skipped, batch_normalise(above, mask)))
        return restored


def reconstruction_cost(restored: Tensor, clean: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
    """Mean squared difference of two layers, both normalised by the clean layer's mean and standard deviation.

    The mean is over the steps of the whole batch, also where several processes share it.

    Args:
        restored, clean: (clip, step, dim).
        mask: bool (clip, step): the layer's steps, over which mean and standard deviation are taken.
        valid: bool (clip, step): the steps that are compared.
    """
    _, std = batch_mean_std(clean, mask)  # the mean cancels out
    squares = apply_mask((restored - clean) / std, valid).square()
    return squares.sum() / (num_batch_steps(valid) * clean.shape[2])
