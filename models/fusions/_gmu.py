"""Gated sums of hidden vectors: the arithmetic of gated multimodal units, over clips or over their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def unit(sizes: Mapping[str, int], width: int) -> dict[str, nn.Module]:
    """What a unit learns: a hidden layer a modality, and the gates (one for two modalities, else one each)."""
    gates = 1 if len(sizes) == 2 else len(sizes)
    return {
        **{f"hidden_{modality}": nn.Linear(size, width) for modality, size in sizes.items()},
        "gate": nn.Linear(sum(sizes.values()), gates * width),
    }


def gated(weights: Any, vectors: Mapping[str, Tensor]) -> Tensor:
    """Vectors (..., feature) of each modality to the sum of their hidden vectors, (..., width).

    Args:
        weights: holds what `unit` gave.
        vectors: modality -> vectors, of a clip or of each step.
    """
    hidden = torch.stack([torch.tanh(weights[f"hidden_{m}"](vector)) for m, vector in vectors.items()], dim=-2)
    gates = torch.sigmoid(weights["gate"](torch.cat(list(vectors.values()), dim=-1)))
    gates = gates.unflatten(-1, (-1, hidden.shape[-1]))
    if len(vectors) == 2:
        gates = torch.cat([gates, 1 - gates], dim=-2)
    return (gates * hidden).sum(dim=-2)
