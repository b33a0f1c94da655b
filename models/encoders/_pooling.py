"""From a sequence to the vector of its clip: what the option `pooling` names."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from affectstore.models.layers.attention_pool import AttentionPool
from affectstore.models.layers.masked import last, mean, zeroed


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
