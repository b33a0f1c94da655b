"""The masks of what encoders give, for fusions of sequences and layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from affectstore.models.base import Encoded

if TYPE_CHECKING:
    from torch import Tensor


def masks_of(encoded: Mapping[str, Encoded]) -> dict[str, Tensor]:
    """bool (clip, step) of each modality's sequence; fusions of sequences and layers get no others."""
    return {modality: cast("Tensor", one.mask) for modality, one in encoded.items()}
