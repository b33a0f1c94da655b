"""Mixup (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"): convex mixtures of clips and their labels."""

from __future__ import annotations

import torch
from torch import Tensor

from affectstore.models.data.batch import Batch
from affectstore.models.data.draws import Draws


def mix(batch: Batch, alpha: float, draws: Draws) -> tuple[Batch, Tensor, float]:
    """A batch mixed with itself in another order.

    Ours: the share is drawn once a batch, and is the larger part of each clip, so that the clip's own label stays its
    main one. A step or frame counts where either clip has it; padding is mixed in as zero, the mean. Words keep the
    clip's own times.

    Returns:
        The batch, with the clips' own labels; the labels int64 (clip,) that were mixed in; the clips' own share.
    """
    generator = draws.of("mixup")
    drawn = float(generator.beta(alpha, alpha))
    share = max(drawn, 1 - drawn)
    order = torch.from_numpy(generator.permutation(len(batch.labels))).to(batch.labels.device)
    values = {m: share * value + (1 - share) * value[order] for m, value in batch.values.items()}
    masks = {m: mask | mask[order] for m, mask in batch.masks.items()}
    spans = {m: torch.where(span[..., 1:] > 0, span, span[order]) for m, span in batch.spans.items()}
    return Batch(values, masks, batch.labels, spans), batch.labels[order], share
