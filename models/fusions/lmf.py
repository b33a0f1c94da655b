"""Low-rank multimodal fusion (Liu et al. 2018, "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors").

A linear layer on the outer product of `tfn`, whose weight tensor is a sum of `rank` outer products of factors, so
that neither is ever formed (equations 5 and 6):

    logits = sum over r of the product over modalities m of W_m^(r) [z_m, 1]

The factors of a modality are one linear layer to (rank, class), its bias the column that meets the appended 1. The
element where all those columns meet is the bias of the logits, so none is added; the authors' code adds one, and
weighs the terms of the sum, which the factors can do themselves.

Widths and rank are those of the published MMSA benchmark (text 128, audio 16, vision 128; rank 3). Ours: the
subnetwork of a modality is its encoder and one rectified linear layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="a linear layer of low rank on the outer product of the vectors", needs="vector")


class Options(Settings):
    """Options of `lmf`."""

    audio: int = Field(default=16, ge=1, description="Length of the sound's hidden vector.")
    vision: int = Field(default=128, ge=1, description="Length of the picture's hidden vector.")
    text: int = Field(default=128, ge=1, description="Length of the words' hidden vector.")
    rank: int = Field(default=3, ge=1, description="How many products of factors the weight tensor is the sum of.")


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """A hidden layer and the factors of each modality."""
    from torch import nn

    from affectstore.models.fusions._subnets import subnets

    factors = {f"factors_{m}": nn.Linear(getattr(options, m), options.rank * classes) for m in sizes}
    return nn.ModuleDict({**subnets(sizes, options), **factors})


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    from affectstore.models.fusions._subnets import hidden

    terms = [weights[f"factors_{m}"](z).unflatten(1, (options.rank, -1)) for m, z in hidden(weights, vectors).items()]
    return Output(torch.stack(terms).prod(dim=0).sum(dim=1), {})
