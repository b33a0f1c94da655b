"""MLP on what a sequence is over time: for functionals, which have one row a clip, and for pooled features.

The joint architectures on RAVDESS (seed 004) classify with a three-layer MLP and state no sizes. Chosen
here: three layers of 128 units with ReLU; the network's linear layer to the classes comes after them
(`layers: 2` makes three in all).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, GivenSteps

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="layers on the mean over time", takes="sequence", gives="vector")

_STATISTICS = {"mean": 1, "mean_std": 2, "functionals": 4}


class Options(Settings):
    """Options of the MLP."""

    pooling: Literal["mean", "mean_std", "functionals"] = Field(
        default="mean",
        description="What of each column is read: its mean over the steps; with its deviation; with its deviation, "
        "least and largest value. The mean of one row is the row.",
    )
    hidden: int = Field(default=128, ge=1, description="Units of each layer, and of the vector.")
    layers: int = Field(default=3, ge=1, description="Layers.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of units dropped after each layer in training.")


def features(_given: GivenSteps, options: Options) -> int:
    """Length of the vector: the units of the last layer."""
    return options.hidden


def weights(given: GivenSteps, options: Options) -> nn.Module:
    """The layers."""
    from torch import nn

    sizes = [given.columns * _STATISTICS[options.pooling], *[options.hidden] * options.layers]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(options.dropout)]
    return nn.Sequential(*layers)


def encode(weights: nn.Module, values: Tensor, mask: Tensor, options: Options) -> Tensor:
    """Sequences (clip, step, column) to vectors (clip, feature)."""
    import torch

    from affectstore.models.layers.masked import deviation, largest, mean

    found = [mean(values, mask)]
    if options.pooling != "mean":
        found.append(deviation(values, mask))
    if options.pooling == "functionals":
        found += [-largest(-values, mask), largest(values, mask)]
    return weights(torch.cat(found, dim=1))


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
