"""G-Blending (Wang et al. 2020, "What Makes Training Multi-Modal Classification Networks Hard?").

The loss is a blend of the fusion's cross-entropy and of each modality's own, L = sum over k of w_k L_k with k the joint
head or a modality. A head's weight is what it gained over how much it overfitted meanwhile (the paper's equation 4):

    w_k = G_k / O_k^2 / Z    G = L_val(then) - L_val(now)    O = (L_val - L_train)(now) - (L_val - L_train)(then)

Weights are equal at first, measured after the first epoch and every so many epochs from there on (online
G-Blending). The measures stand in the history, and the weights follow from it: a resumed run needs no state of theirs.

Ours: gains and overfitting are those of the one network that is trained, where the paper trains copies of it with each
head's loss alone; the validation side is what generalisation is measured on, so its scores are a little too
good, and the test side is not touched; a head that gained nothing weighs 0 (where none gained, weights stay); O is
taken as at least .001 nats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional as F

from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.read_ahead import all_batches

#: Head of the fusion, beside one a modality.
JOINT = "joint"
_LEAST_NATS = 1e-3


def is_due(epoch: int, every: int) -> bool:
    """Whether the heads are measured after this epoch, counted from 1."""
    return (epoch - 1) % every == 0


def measured(
    side: str, model: Any, clips: ClipSet, scales: Mapping[str, Scale], batch_size: int, device: torch.device
) -> dict[str, float]:
    """Columns of the history: each head's mean cross-entropy over a side, in evaluation, without class weights.

    Args:
        side: "train" or "val", for the columns' names.
        model: a `Network`, wrapped by Fabric or not; it is put into evaluation mode.
        clips, scales, batch_size, device: as of `logits_of`.
    """
    model.eval()
    sums: dict[str, float] = {}
    with torch.inference_mode():
        for batch in all_batches(clips, model.recipe, scales, batch_size, device):
            output = model(batch.values, batch.masks, None, True, batch.spans)
            for head, logits in {JOINT: output.logits, **output.scores}.items():
                summed = F.cross_entropy(logits.double(), batch.labels, reduction="sum").item()
                sums[head] = sums.get(head, 0.0) + summed
    return {f"blend_{side}_{head}": total / len(clips) for head, total in sums.items()}


def weights_of(history: Sequence[Mapping[str, float]], heads: Sequence[str]) -> dict[str, float]:
    """Head -> its weight in the next epoch; they sum to 1.

    Args:
        history: one row an epoch; those that hold what was `measured` of both sides are compared.
        heads: joint, and the modalities.
    """
    weights = dict.fromkeys(heads, 1 / len(heads))
    measured = [row for row in history if f"blend_val_{JOINT}" in row]
    for then, now in pairwise(measured):
        raw = {head: _ratio(then, now, head) for head in heads}
        total = sum(raw.values())
        if total > 0:
            weights = {head: value / total for head, value in raw.items()}
    return weights


def _ratio(then: Mapping[str, float], now: Mapping[str, float], head: str) -> float:
    train, val = f"blend_train_{head}", f"blend_val_{head}"
    gain = max(then[val] - now[val], 0.0)
    overfitted = abs((now[val] - now[train]) - (then[val] - then[train]))
    return gain / max(overfitted, _LEAST_NATS) ** 2
