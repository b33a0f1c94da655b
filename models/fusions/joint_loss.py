"""One classifier for every modality's vector (architecture 0 of the joint audio-image study on RAVDESS).

Each modality is mapped to one space, and one classifier C reads a mapping at a time (the study's section 2):

    L = L_C(phi_a(x_audio)) + alpha L_C(phi_i(x_image)) + beta Reg(C) + gamma Similarity(phi_a(x_audio), phi_i(x_image))

It has no joint output. A pair is predicted by the mean of the probabilities, or by the first modality alone
(`predict: first`), the study's idea of sound helped by pictures while training. The prediction carries no
gradient while training: the classifier learns from the losses above, and from nothing else.

Defaults are what the study ran: alpha 1 (called beta in its section 4.7), neither regulariser nor similarity.
Ours: the mappings are those of `equalised`; Reg is half the sum of the squared weights of C, without its biases;
Similarity is the mean squared difference of two mappings, averaged over pairs of modalities; a third modality has
a weight of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.models.base import Criterion, FusionSpec, Output
from affectstore.models.fusions._equal_width import EqualOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="one classifier trained on each modality's vector in turn", needs="vector")


class Options(EqualOptions):
    """Options of `joint_loss`."""

    audio: float = Field(default=1.0, ge=0, description="Weight of the classifier's loss on the sound.")
    vision: float = Field(default=1.0, ge=0, description="alpha: weight of its loss on the picture.")
    text: float = Field(default=1.0, ge=0, description="Weight of its loss on the words.")
    regulariser: float = Field(
        default=0.0, ge=0, description="beta: weight of half the sum of the classifier's squared weights."
    )
    similarity: float = Field(
        default=0.0, ge=0, description="gamma: weight of the mean squared difference of the modalities' mappings."
    )
    predict: Literal["mean", "first"] = Field(
        default="mean", description="By the mean of all modalities' probabilities, or by the first modality alone."
    )


def check(modalities: tuple[str, ...], options: Options, _depths: Mapping[str, int]) -> str:
    """Why these modalities teach the classifier nothing, or ''."""
    if any(getattr(options, modality) for modality in modalities):
        return ""
    weights = ", ".join(f"`{modality}: 0`" for modality in modalities)
    return f"fusion 'joint_loss' has {weights}, so nothing is learnt from any label; give one of them some weight"


def heard(modalities: tuple[str, ...], options: Options) -> tuple[str, ...]:
    """The modalities that the logits depend on."""
    return modalities[:1] if options.predict == "first" else modalities


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """An MLP for each vector of another width, and the one classifier."""
    from torch import nn

    from affectstore.models.fusions._equal_width import equalisers, width_of
    from affectstore.models.fusions._perceptron import perceptron

    width = width_of(sizes, options)
    return nn.ModuleDict({**equalisers(sizes, width), "classify": perceptron(width, options.hidden, classes)})


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], criterion: Criterion | None, options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class) and the losses `audio`, ..., `regulariser`, `similarity`."""
    from affectstore.models.fusions._equal_width import equal
    from affectstore.models.fusions._scores import log_probabilities, mean_of

    mapped = equal(weights, vectors)
    log_p = {modality: log_probabilities(weights["classify"](vector)) for modality, vector in mapped.items()}
    logits = mean_of(log_p[modality] for modality in heard(tuple(log_p), options))
    if criterion is None:
        return Output(logits, {})
    losses = {modality: getattr(options, modality) * criterion(one) for modality, one in log_p.items()}
    if options.regulariser:
        squares = [p.square().sum() for name, p in weights["classify"].named_parameters() if name.endswith("weight")]
        losses["regulariser"] = options.regulariser / 2 * sum(squares[1:], squares[0])
    if options.similarity and len(mapped) > 1:
        apart = [(one - other).square().mean() for one, other in combinations(mapped.values(), 2)]
        losses["similarity"] = options.similarity * sum(apart[1:], apart[0]) / len(apart)
    return Output(logits.detach(), losses)
