"""MLP on statistics of a sequence over time: for functionals, which have one row per clip, and for pooled features.

The joint architectures on RAVDESS (document 004) classify with a three-layer MLP and state no sizes. Ours: three layers
of 128 units with ReLU, followed by the network's linear layer (`layers: 2` makes three in all).
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from affectstore.models.blocks.masked import masked_max, masked_mean, masked_std
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(
    version=1,
    summary="MLP on the mean over time",
    input_kind="sequence",
    output_kind="vector",
    paper="Document 004, MLP of the joint architectures; sizes are ours",
)

_STATISTICS = {"mean": 1, "mean_std": 2, "functionals": 4}


class Options(EncoderOptions):
    """Options of the MLP."""

    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dim"}

    pooling: Literal["mean", "mean_std", "functionals"] = Field(
        default="mean",
        description="Statistics of each column over the steps: its mean; with its standard deviation; with its "
        "standard deviation, minimum and maximum. The mean of one row is the row.",
    )
    hidden_dim: int = Field(default=128, ge=1, description="Units of each layer, and dimension of the vector.")
    layers: int = Field(default=3, ge=1, description="Layers.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout after each layer.")


class MLP(Encoder):
    """Encode statistics of a sequence over time with linear layers and ReLU (document 004)."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        self.output_dim = options.hidden_dim
        self.statistics = options.pooling
        layers: list[nn.Module] = []
        for before, after in pairwise(
            (shape.dim * _STATISTICS[options.pooling], *[options.hidden_dim] * options.layers)
        ):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(options.dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Sequences (clip, step, dim) to vectors (clip, output_dim)."""
        statistics = [masked_mean(values, mask)]
        if self.statistics != "mean":
            statistics.append(masked_std(values, mask))
        if self.statistics == "functionals":
            statistics += [-masked_max(-values, mask), masked_max(values, mask)]
        return Encoded(self.layers(torch.cat(statistics, dim=1)))


build = MLP
