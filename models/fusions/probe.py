"""Probes beside the joint classifier (document 004, architecture 4).

As `equalised`, and each modality has a probe: an MLP that classifies its vector of the common dimension alone.
L = L_joint + sum over modalities of L_probe, all cross-entropies, so that no modality is neglected. The document adds
them with equal weights; `weight` scales the probes. Sizes are not stated: the probes' hidden layer is ours. The
losses are named `probe_<modality>`; the probes take no part in the prediction.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from affectstore.models.blocks.late import log_probabilities
from affectstore.models.blocks.mlp import MatchDims, mlp
from affectstore.models.blocks.options import ProbeOptions
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="equalised, with a probe that classifies each modality alone",
    needs="vector",
    paper="Document 004, architecture 4",
)

Options = ProbeOptions


class Probe(Fusion):
    """Classify the joined vectors, and in training each of them alone."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: ProbeOptions) -> None:
        super().__init__()
        dim = options.target_dim(dims)
        self.weight = options.weight
        # Initialised first, registered last: seeds and the norm of all gradients depend on these orders.
        classifier = mlp(len(dims) * dim, options.hidden_dims, num_classes)
        probes = {modality: mlp(dim, options.probe_hidden_dims, num_classes) for modality in dims}
        self.match = MatchDims(dims, dim)
        self.classifier, self.probes = classifier, nn.ModuleDict(probes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class) and the probes' losses."""
        matched = self.match(vectors(encoded))
        logits = self.classifier(torch.cat(list(matched.values()), dim=1))
        if context.criterion is None:
            return Output(logits)
        losses = {}
        for modality, vector in matched.items():
            name, loss = self.probe_loss(
                self.probes[modality](vector), context.criterion, context.teachers.get(modality)
            )
            losses[f"{name}_{modality}"] = loss
        return Output(logits, losses)

    def probe_loss(
        self, logits: Tensor, criterion: Callable[[Tensor], Tensor], teacher: Tensor | None
    ) -> tuple[str, Tensor]:
        """Name and weighted value of the loss of one probe.

        Args:
            logits: Of the probe, (clip, class).
            criterion: Compares logits with the labels.
            teacher: Logits (clip, class) of the modality's teacher, for subclasses; None without one.
        """
        return "probe", self.weight * criterion(log_probabilities(logits))

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> log-probabilities (clip, class) of its probe."""
        return {m: log_probabilities(self.probes[m](vector)) for m, vector in self.match(vectors(encoded)).items()}


build = Probe
