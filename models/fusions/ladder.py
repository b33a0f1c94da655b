"""Audiovisual ladder network (Goncalves & Busso, "Learning Cross-modal Audiovisual Representations with Ladder
Networks for Emotion Recognition"; combinator and normalisation of Rasmus et al. 2015).

In training a clip passes the encoders twice: clean, and with noise in every layer. From the noisy layers decoders
restore the clean ones, layer by layer from the last to the first; skip connections bring each decoder the noisy
layers of its own modality (own), of another one (cross), or there is a decoder for either (both).

    L_sup = (C_AV + C_A + C_V) / 3                    cross-entropies of the noisy path, jointly and by each modality
    L_uns = sum_l lambda_l (C_rAV + (C_rA->V + C_rV->A) / 2)

The cost of a layer is the mean squared difference of what was restored and the clean layer, both normalised by
the clean layer's mean and standard deviation over the batch. L_uns needs no labels. Padding enters neither
statistics nor costs. When it predicts there is no noise and no decoder, and a clip depends on no other.

The losses are `supervised`, `own` and `cross`; their sum is L_sup + L_uns, and the prediction carries no gradient in
training. Without own-modality reconstruction: `skips: cross`; without cross-modal: `own`; without any: `none`.

Not published, and options to be swept: depth, noise, lambda. Ours: C_rAV is the mean of the modalities' own costs, and
for three modalities, means over all and over all ordered pairs; a cross-modal decoder starts from its own
modality's last noisy layer; the other modality's steps are laid on its own by linear interpolation over time; layers
of encoders that differ in depth are paired from the last one; the prediction is the mean of all logits, as in
the same authors' AuxFormer, whose main network is the joint network where `crossmodal` is given. Otherwise the
joint network is a residual perceptron on the joined vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field, model_validator

from affectstore.config.base import Settings
from affectstore.errors import ConfigError
from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions._stack_options import MainOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(
    version=1,
    summary="restores clean layers from noisy ones, within and across modalities",
    needs="layers",
    unlabelled=True,
)

_Weight = Annotated[float, Field(ge=0)]


class Options(Settings):
    """Options of `ladder`."""

    skips: Literal["own", "cross", "both", "none"] = Field(
        default="both", description="Which noisy layers are skipped to the decoders: what is restored from what."
    )
    depth: int | None = Field(default=None, ge=1, description="Layers that are restored, from the last; none: all.")
    noise: float = Field(default=0.3, ge=0, description="Standard deviation of the noise in every layer.")
    reconstruction: _Weight | tuple[_Weight, ...] = Field(
        default=0.1, description="lambda: weight of the costs, one for all layers or one each, from the last layer."
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout in the joint perceptron's hidden layer.")
    predict: Literal["mean", "joint"] = Field(
        default="mean", description="By the mean of the logits of all networks, or by the joint network's."
    )
    crossmodal: MainOptions | None = Field(
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


def noise(options: Options) -> float:
    """Standard deviation of the noise in every layer of the second pass."""
    return options.noise


def check(_modalities: tuple[str, ...], options: Options, depths: Mapping[str, int]) -> str:
    """Why layers of encoders that have so many cannot be restored, or ''."""
    if options.depth is None or options.depth <= min(depths.values()):
        return ""
    listed = ", ".join(f"{modality} {depth}" for modality, depth in depths.items())
    return (
        f"fusion 'ladder' shall restore {options.depth} layers (`depth`), and the encoders have: {listed}; lower "
        "`depth`, or make the encoders deeper"
    )


def weights(sizes: Mapping[str, tuple[int, ...]], classes: int, options: Options) -> nn.ModuleDict:
    """Classifiers by each modality and by all, and the decoders of each skip connection.

    Raises:
        ConfigError: more layers shall be restored than an encoder has.
    """
    from itertools import permutations

    from torch import nn

    from affectstore.models.fusions._ladder import Decoder
    from affectstore.models.fusions._main_network import MainNetwork
    from affectstore.models.fusions._residual_head import ResidualHead

    depths = {m: len(layers) for m, layers in sizes.items()}
    if reason := check(tuple(sizes), options, depths):
        raise ConfigError(reason)
    depth = options.depth or min(depths.values())
    widths = {m: layers[::-1][:depth] for m, layers in sizes.items()}
    vectors = {m: layers[-1] for m, layers in sizes.items()}
    joined = sum(vectors.values())
    parts: dict[str, nn.Module] = {
        "alone": nn.ModuleDict({m: nn.Linear(size, classes) for m, size in vectors.items()}),
        "joint": ResidualHead(joined, (joined,), classes, options.dropout)
        if options.crossmodal is None
        else MainNetwork(vectors, classes, options.crossmodal),
    }
    if options.skips in ("own", "both"):
        parts["own"] = nn.ModuleDict({m: Decoder(layers) for m, layers in widths.items()})
    if options.skips in ("cross", "both"):
        parts["cross"] = nn.ModuleDict(
            {f"{s}_to_{t}": Decoder(widths[t], widths[s]) for s, t in permutations(widths, 2)}
        )
    return nn.ModuleDict(parts)


def scores(weights: nn.ModuleDict, encoded: Mapping[str, Encoded], _options: Options) -> dict[str, Tensor]:
    """Modality -> logits (clip, class) by its vector alone."""
    heads = cast("nn.ModuleDict", weights["alone"])
    return {modality: heads[modality](one.vector) for modality, one in encoded.items()}


def fuse(
    weights: nn.ModuleDict,
    encoded: Mapping[str, Encoded],
    criterion: Criterion | None,
    options: Options,
    noisy: Mapping[str, Encoded] | None = None,
) -> Output:
    """Layers with their masks to logits (clip, class); `supervised` by the criterion, `own` and `cross` without it.

    Args:
        weights, criterion, options: as everywhere.
        encoded: what the encoders give without noise.
        noisy: what they give with it; none when it predicts.
    """
    import torch

    given = encoded if noisy is None else noisy
    vectors = torch.cat([one.vector for one in given.values()], dim=1)
    joint = weights["joint"](vectors if options.crossmodal is None else given)
    logits = torch.stack([joint, *scores(weights, given, options).values()])
    predicted = logits.mean(dim=0) if options.predict == "mean" else joint
    losses = {} if noisy is None else _reconstruction(weights, encoded, noisy, options)
    if criterion is None:
        return Output(predicted, losses)
    supervised = torch.stack([criterion(one) for one in logits]).mean()
    return Output(predicted.detach(), {"supervised": supervised, **losses})


def _reconstruction(
    weights: nn.ModuleDict, encoded: Mapping[str, Encoded], noisy: Mapping[str, Encoded], options: Options
) -> dict[str, Tensor]:
    """The two parts of L_uns, weighted: `own` and `cross`, as far as there are decoders for them."""
    from itertools import permutations

    from affectstore.models.fusions._ladder import cost
    from affectstore.models.fusions._masks_of import masks_of

    down, masks = {m: one.layers[::-1] for m, one in noisy.items()}, masks_of(encoded)

    def total(target: str, restored: list[Tensor], judged: Tensor) -> Tensor:
        share = options.reconstruction
        each = share if isinstance(share, tuple) else (share,) * len(restored)
        clean = encoded[target].layers[::-1]
        costs = [w * cost(z, c, masks[target], judged) for w, z, c in zip(each, restored, clean, strict=False)]
        return sum(costs[1:], costs[0])

    losses = {}
    if "own" in weights:
        decoders = cast("nn.ModuleDict", weights["own"])
        own = [total(m, decoders[m](down[m], masks[m]), masks[m]) for m in encoded]
        losses["own"] = sum(own[1:], own[0]) / len(own)
    if "cross" in weights:
        decoders = cast("nn.ModuleDict", weights["cross"])
        across = [
            total(
                target,
                decoders[f"{source}_to_{target}"](down[target], masks[target], down[source], masks[source]),
                # A clip without the source has nothing to be restored from.
                masks[target] & masks[source].any(dim=1, keepdim=True),
            )
            for source, target in permutations(encoded, 2)
        ]
        losses["cross"] = sum(across[1:], across[0]) / len(across)
    return losses
