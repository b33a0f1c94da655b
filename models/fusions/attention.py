"""Attention over the steps of all modalities (Nagrani et al. 2021, "Attention Bottlenecks for Multimodal Fusion").

Sequences are projected to one width; every step is told its position, and its modality by a learnt vector. Without
bottlenecks (the default) the steps of all modalities stand in one sequence, and a transformer lets each attend to all
("vanilla" fusion there). With bottlenecks (there 4) each modality has layers of its own, in which its steps attend to
each other and to a few learnt tokens; after each layer these tokens are the mean of what the modalities made of
them: all that one modality learns of another passes through them.

A clip's steps are then pooled by attention with one query, as in the acoustic-lexical study on IEMOCAP:
e = v^T tanh(W h + b), the vector being the sum of the steps weighted by softmax(e); a linear layer classifies it.
Missing steps, and modalities that a clip lacks, take no part.

Ours: pooling by attention, where the paper has class tokens; sizes, chosen for small corpora.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions._stack_options import StackOptions

if TYPE_CHECKING:
    from torch import nn

SPEC = FusionSpec(
    version=1, summary="joint attention over all modalities' steps, or through bottlenecks", needs="sequence"
)


class Options(StackOptions):
    """Options of `attention`."""

    bottlenecks: int = Field(
        default=0, ge=0, description="Tokens through which modalities attend to each other; 0: directly."
    )
    pool: int = Field(default=64, ge=1, description="Hidden units of the pooling's attention.")
    input_dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of values dropped before the transformer.")


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.Module:
    """Projections, modality vectors, layers, pooling and the classifier."""
    from affectstore.models.fusions._joint_attention import JointAttention

    return JointAttention(dict(sizes), classes, options)


def fuse(weights: nn.Module, encoded: Mapping[str, Encoded], _criterion: Criterion | None, _options: Options) -> Output:
    """Sequences (clip, step, feature) with their masks to logits (clip, class)."""
    from affectstore.models.fusions._masks_of import masks_of

    return Output(weights({m: one.sequence for m, one in encoded.items()}, masks_of(encoded)), {})
