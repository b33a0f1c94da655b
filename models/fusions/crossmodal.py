"""Crossmodal transformers (Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences").

Each modality's sequence is projected by a temporal convolution to one width. For each ordered pair of modalities a
transformer lets the target's steps attend to the source's, whatever their rates. What a target got from each other
modality is joined and passes a transformer with self-attention; the last steps of all targets are joined, pass a
residual perceptron, and are classified. For two or three modalities.

What a transformer reads is scaled by the root of its width and given sinusoidal positions; layer normalisation comes
before attention and perceptron, and a last one follows the layers. The source is read in every layer as it came.

Defaults are those published for MulT: width 50, 10 heads, 4 layers, kernel 5, attention dropout .3; the transformers
behind have as many layers as the crossmodal ones, and 3 at least. Ours: a step sees the whole clip, where the published
program hides what is later; one kernel for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import Field

from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions._stack_options import StackOptions

if TYPE_CHECKING:
    from torch import nn

SPEC = FusionSpec(version=2, summary="each modality's steps attend to the other modalities' (MulT)", needs="sequence")

_LEAST_MEMORY = 3


class Options(StackOptions):
    """Options of `crossmodal`."""

    width: int = Field(default=50, ge=1, description="Features of each step inside the fusion.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `width`.")
    layers: int = Field(default=4, ge=1, description="Layers of each crossmodal transformer.")
    memory_layers: int | None = Field(
        default=None, ge=1, description="Layers of the transformers behind them; none: as many as `layers`, 3 at least."
    )
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

    from affectstore.models.fusions._projection import Projection
    from affectstore.models.fusions._residual_head import ResidualHead
    from affectstore.models.layers.input_embedding import InputEmbedding
    from affectstore.models.layers.stack import Stack

    width, others = options.width, len(sizes) - 1
    behind = max(options.layers, _LEAST_MEMORY) if options.memory_layers is None else options.memory_layers
    project = {m: Projection(size, width, options.kernel) for m, size in sizes.items()}
    across = {f"{s}_to_{t}": Stack(options.layers, **options.block(width)) for s, t in permutations(sizes, 2)}
    memory = {m: Stack(behind, **options.block(others * width)) for m in sizes}
    joined = len(across) * width
    return nn.ModuleDict(
        {
            "project": nn.ModuleDict(project),
            "embed": InputEmbedding(options.input_dropout, positions=True),
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

    from affectstore.models.fusions._masks_of import masks_of
    from affectstore.models.layers.masked import last

    masks = masks_of(encoded)
    project, across, memory = (cast("nn.ModuleDict", weights[part]) for part in ("project", "across", "memory"))
    embed = weights["embed"]
    steps = {m: project[m](one.sequence, masks[m]) for m, one in encoded.items()}
    ends = []
    for target, mask in masks.items():
        read = []
        for source in [m for m in steps if m != target]:
            asking, asked = embed(steps[target], mask), embed(steps[source], masks[source])
            read.append(across[f"{source}_to_{target}"](asking, mask, (asked, masks[source]))[-1])
        ends.append(last(memory[target](embed(torch.cat(read, dim=2), mask), mask)[-1], mask))
    return Output(weights["classify"](torch.cat(ends, dim=1)), {})
