"""Audiovisual ladder network (Goncalves & Busso, "Learning Cross-modal Audiovisual Representations with Ladder Networks
for Emotion Recognition", document 002; combinator and normalisation of Rasmus et al. 2015).

In training a clip passes the encoders twice: clean, and with noise in every layer. Decoders restore the clean layers
from the noisy ones, layer by layer from the last to the first; the skip connections of a decoder start from the noisy
layers of its own modality (own), of another one (cross), or there is a decoder for either (both).

    L_sup = (C_AV + C_A + C_V) / 3                    cross-entropies of the noisy path, jointly and by each modality
    L_uns = sum_l lambda_l (C_rAV + (C_rA->V + C_rV->A) / 2)

The cost of a layer is the mean squared difference of the restored and the clean layer, both normalised by the clean
layer's mean and standard deviation over the batch. L_uns needs no labels. Padding enters neither statistics nor
costs. In evaluation there is no noise and no decoder, and a clip depends on no other.

The losses are `supervised`, `own` and `cross`; their sum is L_sup + L_uns, and the prediction carries no gradient in
training. Without own-modality reconstruction: `skips: cross`; without cross-modal: `own`; without any: `none`.

Not published, and options to be swept: depth, noise, lambda. Ours: C_rAV is the mean of the modalities' own costs,
and for three modalities, means over all and over all ordered pairs; a cross-modal decoder starts from its own
modality's last noisy layer; the other modality's steps are resampled to its own by linear interpolation over time;
layers of encoders that differ in depth are paired from the last one; the prediction is the mean of all logits, as in
the same authors' AuxFormer, whose main network is the joint network where `crossmodal` is given. Otherwise the joint
network is a residual MLP on the joined vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from affectstore.errors import ConfigError
from affectstore.models.blocks.auxformer import CrossmodalNetwork
from affectstore.models.blocks.ladder import Decoder, reconstruction_cost
from affectstore.models.blocks.mlp import ResidualHead
from affectstore.models.blocks.options import CrossmodalNetworkOptions
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="restores clean layers from noisy ones, within and across modalities",
    needs="layers",
    paper="Document 002; Rasmus et al. 2015, Semi-Supervised Learning with Ladder Networks (equation 2)",
    uses_unlabelled=True,
)

_Weight = Annotated[float, Field(ge=0)]


class Options(FusionOptions):
    """Options of `ladder`."""

    skips: Literal["own", "cross", "both", "none"] = Field(
        default="both", description="Modality of the noisy layers that the decoders' skip connections start from."
    )
    depth: int | None = Field(default=None, ge=1, description="Layers that are restored, from the last; none: all.")
    noise: float = Field(default=0.3, ge=0, description="Standard deviation of the noise in every layer.")
    reconstruction: _Weight | tuple[_Weight, ...] = Field(
        default=0.1, description="lambda: weight of the costs, one for all layers or one each, from the last layer."
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout in the joint MLP's hidden layer.")
    predict: Literal["mean", "joint"] = Field(
        default="mean", description="Predict by the mean of the logits of all networks, or by the joint network's."
    )
    crossmodal: CrossmodalNetworkOptions | None = Field(
        default=None, description="Options of AuxFormer's main network as the joint one; none: the joined vectors."
    )

    @model_validator(mode="after")
    def _one_each(self) -> Options:
        if isinstance(self.reconstruction, tuple) and self.depth != len(self.reconstruction):
            raise ValueError(
                f"`reconstruction` has {len(self.reconstruction)} weights, and `depth` is {self.depth}: give one for "
                "all layers, or as many as `depth` says"
            )
        return self

    def problem(self, modalities: tuple[str, ...], depths: Mapping[str, int]) -> str | None:
        """Reason why layers of encoders of these depths cannot be restored, or None."""
        if self.depth is None or self.depth <= min(depths.values()):
            return None
        listed = ", ".join(f"{modality} {depth}" for modality, depth in depths.items())
        return (
            f"fusion 'ladder' cannot restore {self.depth} layers (`depth`), since the encoders have: {listed}; lower "
            "`depth`, or make the encoders deeper"
        )

    def layer_weights(self, depth: int) -> tuple[float, ...]:
        """lambda of each layer, from the last one."""
        return self.reconstruction if isinstance(self.reconstruction, tuple) else (self.reconstruction,) * depth


class Ladder(Fusion):
    """Classify noisy layers, and restore the clean ones from them.

    Args:
        dims: Modality -> dimension of each of its encoder's layers.
        num_classes: Number of logits.
        options: Options of `ladder`.

    Raises:
        ConfigError: More layers would be restored than an encoder has.
    """

    def __init__(self, dims: Mapping[str, tuple[int, ...]], num_classes: int, options: Options) -> None:
        super().__init__()
        depths = {modality: len(layers) for modality, layers in dims.items()}
        if reason := options.problem(tuple(dims), depths):
            raise ConfigError(reason)
        depth = options.depth or min(depths.values())
        restored = {modality: layers[::-1][:depth] for modality, layers in dims.items()}
        vector_dims = {modality: layers[-1] for modality, layers in dims.items()}
        joint_dim = sum(vector_dims.values())
        self.noise, self.predict, self.layer_weights = options.noise, options.predict, options.layer_weights(depth)
        self.heads = nn.ModuleDict({modality: nn.Linear(dim, num_classes) for modality, dim in vector_dims.items()})
        self.joint = (
            ResidualHead(joint_dim, (joint_dim,), num_classes, options.dropout)
            if options.crossmodal is None
            else CrossmodalNetwork(vector_dims, num_classes, options.crossmodal)
        )
        self.own, self.cross = nn.ModuleDict(), nn.ModuleDict()
        if options.skips in ("own", "both"):
            self.own.update({modality: Decoder(layers) for modality, layers in restored.items()})
        if options.skips in ("cross", "both"):
            pairs = permutations(restored, 2)
            self.cross.update({f"{s}_to_{t}": Decoder(restored[t], restored[s]) for s, t in pairs})

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Layers with their masks to logits (clip, class) and the losses `supervised`, `own` and `cross`."""
        given = encoded if context.noisy is None else context.noisy
        crossmodal = isinstance(self.joint, CrossmodalNetwork)
        joint = self.joint(given if crossmodal else torch.cat(list(vectors(given).values()), dim=1))
        logits = torch.stack([joint, *self.unimodal_logits(given, context).values()])
        predicted = logits.mean(dim=0) if self.predict == "mean" else joint
        losses = {} if context.noisy is None else self._reconstruction(encoded, context.noisy)
        if context.criterion is None:
            return Output(predicted, losses)
        supervised = torch.stack([context.criterion(one) for one in logits]).mean()
        return Output(predicted.detach(), {"supervised": supervised, **losses})

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> logits (clip, class) of its vector alone."""
        return {modality: self.heads[modality](one.vector) for modality, one in encoded.items()}

    def _reconstruction(self, encoded: Mapping[str, Encoded], noisy: Mapping[str, Encoded]) -> dict[str, Tensor]:
        """Weighted parts of L_uns: `own` and `cross`, as far as there are decoders for them."""
        layers = {modality: one.layers[::-1] for modality, one in noisy.items()}
        masks = {modality: one.steps()[1] for modality, one in encoded.items()}
        losses = {}
        if self.own:
            own = [self._cost(encoded[m], self.own[m](layers[m], masks[m]), masks[m]) for m in encoded]
            losses["own"] = sum(own[1:], own[0]) / len(own)
        if self.cross:
            cross = []
            for source, target in permutations(encoded, 2):
                decoder = self.cross[f"{source}_to_{target}"]
                restored = decoder(layers[target], masks[target], layers[source], masks[source])
                # A clip without the source has nothing to be restored from.
                valid = masks[target] & masks[source].any(dim=1, keepdim=True)
                cross.append(self._cost(encoded[target], restored, valid))
            losses["cross"] = sum(cross[1:], cross[0]) / len(cross)
        return losses

    def _cost(self, clean: Encoded, restored: list[Tensor], valid: Tensor) -> Tensor:
        """Weighted cost of the restored layers, which start from the last one, over the valid steps."""
        _, mask = clean.steps()
        layers = clean.layers[::-1][: len(restored)]
        terms = zip(self.layer_weights, restored, layers, strict=True)
        costs = [weight * reconstruction_cost(one, layer, mask, valid) for weight, one, layer in terms]
        return sum(costs[1:], costs[0])


build = Ladder
