"""Probes distilled from networks of one modality (future work of the joint audio-image study on RAVDESS).

As `probe`, and "instead of training the probe networks on cross-entropy loss" they "try to match" the logits of
classifiers that were trained separately, one a modality: the cells named under `teachers`. The study says no loss.
Ours is that of Hinton et al. 2015 ("Distilling the Knowledge in a Neural Network"): T^2 KL(softmax(t / T) ||
softmax(p / T)), the mean over clips, in nats; t the teacher's logits, p the probe's. It needs no labels. A modality
without a teacher has a probe that learns from the labels, as in `probe`.

The losses are named `distilled_<modality>`, and `probe_<modality>` where there is no teacher. The probes take no part
in the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.models.base import Criterion, FusionSpec, Output
from affectstore.models.fusions import probe

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(
    version=1,
    summary="probe, its probes learning what trained networks of one modality say",
    needs="vector",
    unlabelled=True,
    taught=True,
)


class Options(probe.Options):
    """Options of `distilled_probe`."""

    temperature: float = Field(
        default=2.0, gt=0, description="Both logits are divided by it: the larger, the more the unlikely classes count."
    )


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """An MLP for each vector of another width, the joint classifier, and a probe a modality."""
    return probe.weights(sizes, classes, options)


def fuse(
    weights: nn.ModuleDict,
    vectors: Mapping[str, Tensor],
    criterion: Criterion | None,
    options: Options,
    teachers: Mapping[str, Tensor] | None = None,
) -> Output:
    """Vectors (clip, feature) to logits (clip, class) and the probes' losses.

    Args:
        weights: as drawn by `weights`.
        vectors: modality -> (clip, feature).
        criterion: for probes without a teacher.
        options: temperature and weight.
        teachers: modality -> logits (clip, class).
    """
    import torch
    from torch.nn import functional as F

    from affectstore.models.fusions._equal_width import equal
    from affectstore.models.fusions._scores import log_probabilities

    mapped = equal(weights, vectors)
    logits = weights["classify"](torch.cat(list(mapped.values()), dim=1))
    if criterion is None:
        return Output(logits, {})
    losses = {}
    for m, vector in mapped.items():
        probed = weights[f"probe_{m}"](vector)
        if teachers is None or m not in teachers:
            losses[f"probe_{m}"] = options.weight * criterion(log_probabilities(probed))
            continue
        told, said = (log_probabilities(one / options.temperature) for one in (teachers[m], probed))
        divergence = F.kl_div(said, told.to(said.dtype), reduction="batchmean", log_target=True)
        losses[f"distilled_{m}"] = options.weight * options.temperature**2 * divergence
    return Output(logits, losses)


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its probe."""
    return probe.scores(weights, vectors, options)
