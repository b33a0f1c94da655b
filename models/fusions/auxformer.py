"""AuxFormer (Goncalves & Busso 2022, "AuxFormer: Robust Approach to Audiovisual Emotion Recognition").

Main network: each modality attends to the other in a crossmodal encoder, a self-attention encoder follows, and the
last steps of both are joined, pass a residual MLP, and are classified. Auxiliary networks, one per modality: the
cell's encoders, whose vector passes a residual MLP that all share. The loss is the mean of the networks' losses, the
prediction the mean of their logits. In training the whole input of a modality is set to zero at random, so that the
network learns to predict without it.

Defaults are those published: dimension 130, 10 heads, 5 layers, no attention dropout between modalities, modality
dropout .2, MLPs of 260 and of 512 and 256. With encoder `auxformer` and `passes: 3` it is the published network:
there the main network reads the projected input, the encoder's layer 0. It reads the sequence of encoders without
layers.

Ours: modality dropout is sampled for each clip, not once for a batch; a step of the main network attends to the whole
clip; residual sums have no trainable weight; with three modalities there are six ordered pairs; where vectors differ
in dimension each modality has an MLP of its own.

The prediction carries no gradient in training: the losses `joint` and `auxiliary_<modality>` sum to the loss.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from affectstore.models.blocks.auxformer import CrossmodalNetwork
from affectstore.models.blocks.masked import zero_frames
from affectstore.models.blocks.mlp import ResidualHead
from affectstore.models.blocks.options import CrossmodalNetworkOptions, HiddenDims
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="crossmodal encoders beside auxiliary networks of each modality",
    needs="sequence",
    paper="Goncalves & Busso 2022, AuxFormer: Robust Approach to Audiovisual Emotion Recognition",
    handles_missing=True,
)

_SHARED = "shared"


class Options(CrossmodalNetworkOptions, FusionOptions):
    """Options of `auxformer`."""

    renamed: ClassVar[Mapping[str, str]] = {
        **CrossmodalNetworkOptions.renamed,
        "auxiliary_hidden": "auxiliary_hidden_dims",
    }

    auxiliary_hidden_dims: HiddenDims = Field(
        default=(512, 256), description="Hidden layers of the MLP of the auxiliary networks."
    )
    modality_dropout: float = Field(
        default=0.2,
        ge=0,
        le=0.5,
        description="Probability, for each modality, that it is removed from a training clip; at most one is.",
    )


class AuxFormer(Fusion):
    """Average the logits of a crossmodal network and of an auxiliary network per modality."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        hidden_dims, dropout = options.auxiliary_hidden_dims, options.head_dropout
        own = dims if len(set(dims.values())) > 1 else {_SHARED: next(iter(dims.values()))}
        self.modality_dropout = options.modality_dropout
        # Initialised first, registered last: seeds and the norm of all gradients depend on these orders.
        auxiliary = {name: ResidualHead(dim, hidden_dims, num_classes, dropout) for name, dim in own.items()}
        self.main = CrossmodalNetwork(dims, num_classes, options)
        self.auxiliary = nn.ModuleDict(auxiliary)

    def mask_inputs(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Set at most one modality of each clip to zero."""
        rate, first = min(self.modality_dropout, 1 / len(values)), next(iter(values.values()))
        sampled = torch.rand(len(first), 1, device=first.device)
        return {
            modality: zero_frames(value, (sampled >= k * rate) & (sampled < (k + 1) * rate))
            for k, (modality, value) in enumerate(values.items())
        }

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Sequences (clip, step, dim) with their masks to logits (clip, class) and each network's part of the loss.

        The auxiliary network of a modality that a clip lacks has no part in the mean.
        """
        auxiliary = {f"auxiliary_{m}": one for m, one in self.unimodal_logits(encoded, context).items()}
        logits = {"joint": self.main(encoded), **auxiliary}
        stacked = torch.stack(list(logits.values()))
        if context.available:
            available = [context.available[modality] for modality in encoded]
            counted = torch.stack([torch.ones_like(available[0]), *available]).unsqueeze(2)
            mean = (stacked * counted).sum(dim=0) / counted.sum(dim=0)
        else:
            mean = stacked.mean(dim=0)
        if context.criterion is None:
            return Output(mean)
        return Output(mean.detach(), {name: context.criterion(one) / len(logits) for name, one in logits.items()})

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> logits (clip, class) of its auxiliary network."""
        return {
            m: self.auxiliary[_SHARED if _SHARED in self.auxiliary else m](one.vector) for m, one in encoded.items()
        }


build = AuxFormer
