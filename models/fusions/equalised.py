"""Concatenation of equally wide vectors (architecture 3 of the joint audio-image study on RAVDESS).

The longer vector is brought to the length of the shorter one by a small MLP, then the vectors are joined
and a three-layer MLP classifies them. Sizes are not stated: those of `_equal_width.py` and `hidden` are our choice.
Without the equalisation it is `concat` with hidden layers (architecture 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.models.base import Criterion, FusionSpec, Output
from affectstore.models.fusions._equal_width import EqualOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="vectors of one width joined, then a three-layer MLP", needs="vector")


class Options(EqualOptions):
    """Options of `equalised`."""


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """An MLP for each vector of another width, and the joint classifier."""
    from torch import nn

    from affectstore.models.fusions._equal_width import equalisers, width_of
    from affectstore.models.fusions._perceptron import perceptron

    width = width_of(sizes, options)
    classify = perceptron(len(sizes) * width, options.hidden, classes)
    return nn.ModuleDict({**equalisers(sizes, width), "classify": classify})


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, _options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    from affectstore.models.fusions._equal_width import equal

    return Output(weights["classify"](torch.cat(list(equal(weights, vectors).values()), dim=1)), {})
