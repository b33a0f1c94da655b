"""One modality's sequence on the steps of another's."""

from __future__ import annotations

import torch
from torch import Tensor

from affectstore.models.layers.masked import zeroed


def align(sequence: Tensor, mask: Tensor, onto: Tensor) -> Tensor:
    """A sequence on the steps of another one of the same clips, by linear interpolation over time.

    Both span the whole clip, each with its own number of equally long steps: step k of n stands at (k + 1/2) / n.
    Before the first and after the last of these points a sequence stays as it is there.

    Args:
        sequence: (clip, step, feature).
        mask: bool (clip, step), its steps.
        onto: bool (clip, other step), the steps that it is wanted on.

    Returns:
        (clip, other step, feature), zero where `onto` is False and for clips without steps.
    """
    have, want = (m.sum(dim=1, keepdim=True).double() for m in (mask, onto))
    step = torch.arange(onto.shape[1], device=onto.device, dtype=torch.float64)
    end = (have - 1).clamp(min=0)
    place = ((step + 0.5) * have / want.clamp(min=1) - 0.5).clamp(min=0).minimum(end)
    before = place.floor()
    after = (before + 1).minimum(end)
    share = (place - before).to(sequence.dtype)[..., None]
    clip = torch.arange(len(sequence), device=onto.device)[:, None]
    aligned = sequence[clip, before.long()] * (1 - share) + sequence[clip, after.long()] * share
    return zeroed(aligned, onto & mask.any(dim=1, keepdim=True))
