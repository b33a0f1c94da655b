"""AuxFormer (Goncalves & Busso 2022, "AuxFormer: Robust Approach to Audiovisual Emotion Recognition").

Main network: each modality attends to the other in a crossmodal encoder, a self-attention encoder follows, and the
last steps of both are joined, pass a residual perceptron, and are classified. Auxiliary networks, one a
modality: the cell's encoders, whose vector passes a residual perceptron that all share. The loss is the mean of the
networks' losses, the prediction the mean of their logits. In training the whole input of a modality is now and then
set to zero, so that the network bears the loss of one.

Defaults are those published: width 130, 10 heads, 5 layers, no attention dropout between modalities, modality dropout
.2, perceptrons of 260 and of 512 and 256. With encoder `auxformer` and `passes: 3` it is the published network: there
the main network reads the projected input, the encoder's layer 0. It reads the sequence of encoders without layers.

Ours: modality dropout is drawn for each clip, not once for a batch; a step of the main network sees the whole clip;
residual sums have no learnt weight; with three modalities there are six ordered pairs; where vectors differ in
length each modality has a perceptron of its own.

The prediction carries no gradient in training: the losses `joint` and `auxiliary_<modality>` sum to the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import Field

from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions._perceptron import Hidden
from affectstore.models.fusions._stack_options import MainOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(
    version=1,
    summary="crossmodal encoders beside auxiliary networks of each modality",
    needs="sequence",
    leaves_out=True,
)

_SHARED = "shared"


class Options(MainOptions):
    """Options of `auxformer`."""

    auxiliary_hidden: Hidden = Field(
        default=(512, 256), description="Hidden layers of the perceptron of the auxiliary networks."
    )
    modality_dropout: float = Field(
        default=0.2,
        ge=0,
        le=0.5,
        description="Probability, for each modality, that a training clip comes without it; none comes without two.",
    )


def ablate(values: Mapping[str, Tensor], _masks: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Inputs of a training batch, each clip's with at most one modality set to zero."""
    import torch

    from affectstore.models.fusions._ablation import blank

    rate, first = min(options.modality_dropout, 1 / len(values)), next(iter(values.values()))
    drawn = torch.rand(len(first), 1, device=first.device)
    return {
        modality: blank(value, (drawn >= k * rate) & (drawn < (k + 1) * rate))
        for k, (modality, value) in enumerate(values.items())
    }


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """The main network, and the classifiers of the auxiliary networks."""
    from torch import nn

    from affectstore.models.fusions._main_network import MainNetwork
    from affectstore.models.fusions._residual_head import ResidualHead

    own = sizes if len(set(sizes.values())) > 1 else {_SHARED: next(iter(sizes.values()))}
    heads = {
        name: ResidualHead(size, options.auxiliary_hidden, classes, options.head_dropout) for name, size in own.items()
    }
    return nn.ModuleDict({"main": MainNetwork(sizes, classes, options), "auxiliary": nn.ModuleDict(heads)})


def scores(weights: nn.ModuleDict, encoded: Mapping[str, Encoded], _options: Options) -> dict[str, Tensor]:
    """Modality -> logits (clip, class) of its auxiliary network."""
    heads = cast("nn.ModuleDict", weights["auxiliary"])
    return {m: heads[_SHARED if _SHARED in heads else m](one.vector) for m, one in encoded.items()}


def fuse(
    weights: nn.ModuleDict,
    encoded: Mapping[str, Encoded],
    criterion: Criterion | None,
    options: Options,
    present: Mapping[str, Tensor],
) -> Output:
    """Sequences (clip, step, feature) with their masks to logits (clip, class) and each network's share of the loss.

    The auxiliary network of a modality that a clip lacks has no part in the mean.
    """
    import torch

    alone = {f"auxiliary_{m}": one for m, one in scores(weights, encoded, options).items()}
    logits = {"joint": weights["main"](encoded), **alone}
    stacked = torch.stack(list(logits.values()))
    if present:
        has = torch.stack([torch.ones_like(next(iter(present.values()))), *(present[m] for m in encoded)]).unsqueeze(2)
        mean = (stacked * has).sum(dim=0) / has.sum(dim=0)
    else:
        mean = stacked.mean(dim=0)
    if criterion is None:
        return Output(mean, {})
    return Output(mean.detach(), {name: criterion(one) / len(logits) for name, one in logits.items()})
