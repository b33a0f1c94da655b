"""Hidden vectors of chosen width, one a modality: what tensor fusions multiply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings

if TYPE_CHECKING:
    from torch import Tensor, nn


def subnets(sizes: Mapping[str, int], options: Settings) -> dict[str, nn.Module]:
    """`hidden_<modality>` -> a linear layer to the width that the option of the modality's name says."""
    from torch import nn

    return {f"hidden_{modality}": nn.Linear(size, getattr(options, modality)) for modality, size in sizes.items()}


def hidden(weights: nn.ModuleDict, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Vectors (clip, feature) to hidden vectors (clip, width), rectified."""
    import torch

    return {modality: torch.relu(weights[f"hidden_{modality}"](vector)) for modality, vector in vectors.items()}
