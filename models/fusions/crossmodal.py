"""Crossmodal transformers (Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences").

Each modality's sequence is projected by a temporal convolution to one width. For each ordered pair of modalities a
transformer lets the target's steps attend to the source's, whatever their rates. What a target got from each other
modality is joined and passes a transformer with self-attention; the last steps of all targets are joined, pass a
residual perceptron, and are classified. For two or three modalities.

Defaults are those published for MulT: width 50, 10 heads, 4 layers, kernel 5, attention dropout .3; the memory has 3
layers. Ours: a step sees the whole clip, where the published program hides what is later; one kernel for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import Field

from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions._stack_options import StackOptions

if TYPE_CHECKING:
    from torch import nn

SPEC = FusionSpec(version=1, summary="each modality's steps attend to the other modalities' (MulT)", needs="sequence")


class Options(StackOptions):
    """Options of `crossmodal`."""

    width: int = Field(default=50, ge=1, description="Features of each step inside the fusion.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `width`.")
    layers: int = Field(default=4, ge=1, description="Layers of each crossmodal transformer.")
    memory_layers: int = Field(default=3, ge=1, description="Layers of the transformers behind them.")
    kernel: int = Field(
        default=5, ge=1, description="Steps that a step is projected from: an odd number, itself in the middle."
    )
    attention_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Share of attention dropped in training; any takes twice the time."
    )


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """Projections, a transformer for each ordered pair, one behind those of each target, and the classifier."""
    from itertools import permutations

    from torch import nn

    from affectstore.models.fusions._stack import Projection, ResidualHead, Stack

    width, others = options.width, len(sizes) - 1
    project = {m: Projection(size, width, options.kernel) for m, size in sizes.items()}
    across = {f"{s}_to_{t}": Stack(width, options.layers, options) for s, t in permutations(sizes, 2)}
    memory = {m: Stack(others * width, options.memory_layers, options) for m in sizes}
    joined = len(across) * width
    return nn.ModuleDict(
        {
            "project": nn.ModuleDict(project),
            "across": nn.ModuleDict(across),
            "memory": nn.ModuleDict(memory),
            "classify": ResidualHead(joined, (joined,), classes, dropout=0.0),
        }
    )


def fuse(
    weights: nn.ModuleDict, encoded: Mapping[str, Encoded], _criterion: Criterion | None, _options: Options
) -> Output:
    """Sequences (clip, step, feature) with their masks to logits (clip, class)."""
    import torch

    from affectstore.models.encoders._masked import last
    from affectstore.models.fusions._steps import masks_of

    masks = masks_of(encoded)
    project, across, memory = (cast("nn.ModuleDict", weights[part]) for part in ("project", "across", "memory"))
    steps = {m: project[m](one.sequence, masks[m]) for m, one in encoded.items()}
    ends = []
    for target, mask in masks.items():
        read = [
            across[f"{source}_to_{target}"](steps[target], mask, steps[source], masks[source])
            for source in steps
            if source != target
        ]
        ends.append(last(memory[target](torch.cat(read, dim=2), mask), mask))
    return Output(weights["classify"](torch.cat(ends, dim=1)), {})
