"""Probes distilled from networks of one modality (document 004, future work).

As `probe`, and "instead of training the probe networks on cross-entropy loss" they "try to match" the logits of
classifiers that were trained separately, one per modality: the cells named under `teachers`. The document names no
loss. Ours is that of Hinton et al. (2015), "Distilling the Knowledge in a Neural Network", section 2:
T^2 KL(softmax(t / T) || softmax(p / T)), the mean over clips, in nats; t the teacher's logits, p the probe's. It needs
no labels. The probe of a modality without a teacher learns from the labels, as in `probe`.

The losses are named `distilled_<modality>`, and `probe_<modality>` where there is no teacher. The probes take no part
in the prediction.
"""

from collections.abc import Callable, Mapping

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.blocks.late import log_probabilities
from affectstore.models.blocks.options import ProbeOptions
from affectstore.models.fusions.probe import Probe
from affectstore.models.spec import FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="probe, its probes distilled from trained networks of one modality",
    needs="vector",
    paper="Document 004, future work; Hinton et al. 2015, Distilling the Knowledge in a Neural Network",
    uses_unlabelled=True,
    needs_teachers=True,
)


class Options(ProbeOptions):
    """Options of `distilled_probe`."""

    temperature: float = Field(
        default=2.0, gt=0, description="Divides both logits: the larger, the more the unlikely classes count."
    )


class DistilledProbe(Probe):
    """Classify the joined vectors, and in training match each probe to its teacher."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__(dims, num_classes, options)
        self.temperature = options.temperature

    def probe_loss(
        self, logits: Tensor, criterion: Callable[[Tensor], Tensor], teacher: Tensor | None
    ) -> tuple[str, Tensor]:
        """Divergence from the teacher; without one, the loss of `probe`."""
        if teacher is None:
            return super().probe_loss(logits, criterion, None)
        target, log_p = (log_probabilities(one / self.temperature) for one in (teacher, logits))
        divergence = F.kl_div(log_p, target.to(log_p.dtype), reduction="batchmean", log_target=True)
        return "distilled", self.weight * self.temperature**2 * divergence


build = DistilledProbe
