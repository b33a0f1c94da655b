"""Probes beside the joint classifier (architecture 4 of the joint audio-image study on RAVDESS).

As `equalised`, and each modality has a probe: an MLP that classifies by its equally wide vector alone.
L = L_joint + sum over modalities of L_probe, all cross-entropies: no modality may be neglected. The study adds
them with equal weights; `weight` scales the probes. Sizes are not stated: the probes' hidden layer is our choice.
The losses are named `probe_<modality>`; the probes take no part in the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.models.base import Criterion, FusionSpec, Output
from affectstore.models.fusions._equal_width import EqualOptions
from affectstore.models.fusions._perceptron import Hidden

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="equalised, with a probe that classifies each modality alone", needs="vector")


class Options(EqualOptions):
    """Options of `probe`."""

    probe_hidden: Hidden = Field(default=(64,), description="Hidden layers of each probe.")
    weight: float = Field(default=1.0, gt=0, description="Weight of each probe's loss beside the joint classifier's.")


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """An MLP for each vector of another width, the joint classifier, and a probe a modality."""
    from torch import nn

    from affectstore.models.fusions._equal_width import equalisers, width_of
    from affectstore.models.fusions._perceptron import perceptron

    width = width_of(sizes, options)
    classify = perceptron(len(sizes) * width, options.hidden, classes)
    probes = {f"probe_{modality}": perceptron(width, options.probe_hidden, classes) for modality in sizes}
    return nn.ModuleDict({**equalisers(sizes, width), "classify": classify, **probes})


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], criterion: Criterion | None, options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class) and the probes' losses."""
    import torch

    from affectstore.models.fusions._equal_width import equal
    from affectstore.models.fusions._scores import log_probabilities

    mapped = equal(weights, vectors)
    logits = weights["classify"](torch.cat(list(mapped.values()), dim=1))
    if criterion is None:
        return Output(logits, {})
    probed = {f"probe_{m}": log_probabilities(weights[f"probe_{m}"](vector)) for m, vector in mapped.items()}
    return Output(logits, {name: options.weight * criterion(log_p) for name, log_p in probed.items()})


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _options: Options) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its probe."""
    from affectstore.models.fusions._equal_width import equal
    from affectstore.models.fusions._scores import log_probabilities

    return {m: log_probabilities(weights[f"probe_{m}"](vector)) for m, vector in equal(weights, vectors).items()}
