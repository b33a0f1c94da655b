"""G-Blending (Wang et al. 2020, "What Makes Training Multi-Modal Classification Networks Hard?").

The loss is a blend of the fusion's cross-entropy and of each modality's own, L = sum over k of w_k L_k with k the joint
head or a modality. The weight of a head is its generalisation over its overfitting squared (equation 4):

    w_k = G_k / O_k^2 / Z    G = L_val(then) - L_val(now)    O = (L_val - L_train)(now) - (L_val - L_train)(then)

Weights are equal at first, measured after the first epoch and every `every` epochs from there on (online G-Blending,
algorithm 2). The measurements are columns of the history, and the weights follow from it: a resumed run needs no other
state.

Ours: generalisation and overfitting are those of the one network that is trained, where the paper trains copies of it
with each head's loss alone; generalisation is measured on the validation subset, so its scores are a little too good,
and the test subset is not touched; a head that did not improve weighs 0 (where none did, weights stay); O is at least
.001 nats.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import torch
from pydantic import Field
from torch.nn import functional as F

from affectstore.models.data.batch import Batch
from affectstore.models.modules import Criterion, FusionContext, Output
from affectstore.models.spec import TrainingError, TrickOptions, TrickSpec, TrickUse
from affectstore.models.training.loader import evaluation_batches
from affectstore.models.training.trick import Losses, Trick, TrickContext, TrickSetup

SPEC = TrickSpec(
    version=1,
    summary="each modality's own loss joins the fusion's, weighted by its generalisation",
    paper="Wang et al. 2020, What Makes Training Multi-Modal Classification Networks Hard?, equation 4",
    conflicts=("distillation", "ogm_ge"),
    replaces_loss=True,
)

#: Head of the fusion, beside one per modality.
JOINT = "joint"
_MIN_OVERFITTING = 1e-3  # nats


class Options(TrickOptions):
    """Options of G-Blending."""

    every: int = Field(default=5, ge=1, description="Epochs between two estimates of the weights.")

    def problem(self, use: TrickUse) -> str | None:
        """Reason why there is nothing to blend, or None."""
        if use.fusion is None:
            return (
                "trick `g_blending` weighs modalities that are fused, and none are; name a `fusion`, or leave the "
                "trick out (`train: {tricks: {}}` in this cell)"
            )
        if use.unlabelled:
            return (
                "trick `g_blending` replaces the fusion's own losses, the only ones that `unlabelled` clips are "
                "trained on; choose one of them"
            )
        return None


class GBlending(Trick):
    """Weigh the losses of the joint head and of each modality."""

    needs_unimodal_logits = True

    def __init__(self, options: Options, setup: TrickSetup) -> None:
        self.every, self.heads = options.every, (JOINT, *setup.modalities)
        self.weights: dict[str, float] = {}

    def on_start(self, subsets: Collection[str]) -> None:
        """Check that there is a validation subset."""
        if "val" not in subsets:
            raise TrainingError(
                "trick `g_blending` weighs losses by their decrease on the validation subset, and this split has none; "
                "choose another protocol, or leave the trick out"
            )

    def on_epoch(self, history: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Update the weights; `weight_<head>` is the weight of its loss."""
        self.weights = blend_weights(history, self.heads)
        return {f"weight_{head}": weight for head, weight in self.weights.items()}

    def on_context(self, context: FusionContext, batch: Batch) -> FusionContext:
        """Remove the criterion: the fusion's own losses are replaced."""
        return context._replace(criterion=None)

    def losses(self, output: Output, criterion: Criterion) -> Losses | None:
        """Blend the losses of the joint head and of each modality."""
        joint = criterion(output.logits)
        parts = {modality: criterion(logits) for modality, logits in output.unimodal_logits.items()}
        return Losses(self.weights[JOINT] * joint + sum(self.weights[m] * loss for m, loss in parts.items()), parts)

    def on_validation(self, run: TrickContext, epoch: int) -> dict[str, float]:
        """Measure each head's losses; `blend_<subset>_<head>` are their means in nats."""
        if (epoch - 1) % self.every:
            return {}
        return head_losses("train", run) | head_losses("val", run)


def head_losses(subset: str, run: TrickContext) -> dict[str, float]:
    """Mean cross-entropy of each head over a subset, in evaluation, without class weights.

    Args:
        subset: "train" or "val", for the names.
        run: Its network is put into evaluation mode.
    """
    maker = run.batches[subset]
    run.model.eval()
    sums: dict[str, float] = {}
    with torch.inference_mode():
        for batch in evaluation_batches(maker, run.batch_size):
            output = run.model(batch.values, batch.masks, spans=batch.spans, return_unimodal=True)
            for head, logits in {JOINT: output.logits, **output.unimodal_logits}.items():
                summed = F.cross_entropy(logits.double(), batch.labels, reduction="sum").item()
                sums[head] = sums.get(head, 0.0) + summed
    return {f"blend_{subset}_{head}": total / len(maker) for head, total in sums.items()}


def blend_weights(history: Sequence[Mapping[str, float]], heads: Sequence[str]) -> dict[str, float]:
    """Head -> weight of its loss in the next epoch; they sum to 1.

    Args:
        history: One row per epoch; those with losses of both subsets are compared.
        heads: `JOINT` and the modalities.
    """
    weights = dict.fromkeys(heads, 1 / len(heads))
    measured = [row for row in history if f"blend_val_{JOINT}" in row]
    for then, now in pairwise(measured):
        raw = {head: _generalisation_to_overfitting(then, now, head) for head in heads}
        total = sum(raw.values())
        if total > 0:
            weights = {head: value / total for head, value in raw.items()}
    return weights


def _generalisation_to_overfitting(then: Mapping[str, float], now: Mapping[str, float], head: str) -> float:
    train, val = f"blend_train_{head}", f"blend_val_{head}"
    generalisation = max(then[val] - now[val], 0.0)
    overfitting = abs((now[val] - now[train]) - (then[val] - then[train]))
    return generalisation / max(overfitting, _MIN_OVERFITTING) ** 2


build = GBlending
