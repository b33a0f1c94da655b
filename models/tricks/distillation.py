"""Distillation (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"): logits of teachers for the
fusion.
"""

from affectstore.models.data.batch import Batch
from affectstore.models.modules import FusionContext
from affectstore.models.spec import TrickOptions, TrickSpec, TrickUse
from affectstore.models.training.trick import Trick, TrickSetup

SPEC = TrickSpec(
    version=1,
    summary="the fusion receives the logits of the cells that `teachers` names; used wherever a cell has teachers",
    paper="Hinton et al. 2015, Distilling the Knowledge in a Neural Network, section 2",
    conflicts=("mixup", "g_blending"),
)


class Options(TrickOptions):
    """Distillation has no options: the fusion has (`distilled_probe`)."""

    def problem(self, use: TrickUse) -> str | None:
        """Reason why there is nothing to distil, or None."""
        return None if use.teachers else "trick `distillation` needs trained cells; name them under `teachers`"


class Distillation(Trick):
    """Pass the teachers' logits of a batch to the fusion; teachers see clips as stored, not augmented."""

    def __init__(self, _options: Options, setup: TrickSetup) -> None:
        self.logits = setup.teacher_logits

    def on_context(self, context: FusionContext, batch: Batch) -> FusionContext:
        """Add modality -> logits (clip, class) of its teacher."""
        device = batch.labels.device
        return context._replace(teachers={m: logits[batch.places].to(device) for m, logits in self.logits.items()})


build = Distillation
