"""Vectors brought to one width, so that no modality outweighs another by its length alone.

From the joint audio-image architectures for RAVDESS (architectures 3, 4 and 0), where the image's vector,
the longer one, goes through "a small MLP" to the length of the sound's. Sizes are not stated there. Ours: the
MLP has one hidden layer of the target's width; the target is the narrowest vector's width, and vectors
that have it already pass as they are; with more than two modalities, each that is wider has an MLP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.fusions._perceptron import Hidden, perceptron

if TYPE_CHECKING:
    from torch import Tensor, nn


class EqualOptions(Settings):
    """Options of fusions of equally wide vectors."""

    width: int | None = Field(
        default=None,
        ge=1,
        description="Length that every vector is brought to; none: that of the shortest one. Vectors that have it "
        "already pass as they are.",
    )
    hidden: Hidden = Field(
        default=(128, 64), description="Hidden layers of the joint classifier, which has one layer more."
    )


def width_of(sizes: Mapping[str, int], options: EqualOptions) -> int:
    """Length of every vector after `equal`."""
    return options.width if options.width is not None else min(sizes.values())


def equalisers(sizes: Mapping[str, int], width: int) -> dict[str, nn.Module]:
    """`equal_<modality>` -> what brings its vector to the width, for those that have another one."""
    return {f"equal_{m}": perceptron(size, (width,), width) for m, size in sizes.items() if size != width}


def equal(weights: nn.ModuleDict, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Vectors (clip, feature) of any lengths to vectors (clip, width)."""
    return {m: weights[f"equal_{m}"](v) if f"equal_{m}" in weights else v for m, v in vectors.items()}
