"""I3D (Carreira & Zisserman 2017): Inception-v1 inflated into three dimensions, one stream on colour frames.

The map of the last Inception module is averaged over 2 frames and 7x7 places, as published; where it is
smaller (short clips, small pictures), over what there is. `head: average` is the published network: its
classifier is a convolution of 1x1x1 whose logits are averaged over space and time, which is the same as
a linear layer on the averaged features, so the vector is these 1,024. With a linear layer to 6 classes
it has 12,293,414 parameters for three channels. `head: mlp`, the next step that seed 000 names, has a
hidden layer with ReLU read the whole pooled map instead, so that it may weigh times and places; its
`hidden` units (not stated there) are the vector.

`weights: rgb_imagenet` starts from the published weights, trained on ImageNet and Kinetics-400, in their
usual PyTorch file; the first convolution is adapted where there are not three channels. Frames that pad
a clip are zeros and take part, as in the study (seed 001): the number of frames is fixed per experiment,
so a clip's vector does not depend on its batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="Inception-v1 in three dimensions", takes="clip", gives="vector")

_FILE = "rgb_imagenet.pt"
_WIDTH = 1024  # channels of the last map
_STRIDES = (8, 32, 32)  # of the last map along frame, height and width
_POOL = (2, 7, 7)


class Options(Settings):
    """Options of I3D."""

    weights: Literal["random", "rgb_imagenet"] = Field(
        default="random", description="What training starts from: newly drawn, or published (ImageNet, Kinetics-400)."
    )
    head: Literal["average", "mlp"] = Field(
        default="average", description="The last map averaged over space and time, or read by a hidden layer."
    )
    hidden: int = Field(default=512, ge=1, description="Units of the hidden layer of `head: mlp`.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Share of the last map dropped in training.")


def features(_given: Given, options: Options) -> int:
    """Length of the vector: the channels of the last module, or the hidden units."""
    return _WIDTH if options.head == "average" else options.hidden


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: the published weights are not here and cannot be fetched, or are not the published file.
    """
    from torch import nn

    from affectstore.models.encoders._channels import adapt_first
    from affectstore.models.encoders._files import load_published
    from affectstore.models.encoders._i3d import I3D

    published = options.weights != "random"
    network = I3D(channels=3 if published else given.channels)
    if published:
        load_published(network, _FILE, without=("logits.",))
        first = network.Conv3d_1a_7x7
        first.conv3d = adapt_first(first.conv3d, given.channels, published)
    parts: dict[str, nn.Module] = {"network": network, "dropout": nn.Dropout(options.dropout)}
    if options.head == "mlp":
        size = _WIDTH
        for length in _pooled(given):
            size *= length
        parts["hidden"] = nn.Linear(size, options.hidden)
    return nn.ModuleDict(parts)


def encode(weights: nn.ModuleDict, values: Tensor, _mask: Tensor, options: Options) -> Tensor:
    """Clips (clip, channel, frame, height, width) to vectors (clip, feature)."""
    from torch.nn import functional as F

    last = weights["network"](values)
    pooled = F.avg_pool3d(last, [min(k, n) for k, n in zip(_POOL, last.shape[2:], strict=True)], stride=1)
    pooled = weights["dropout"](pooled)
    if options.head == "average":
        return pooled.mean(dim=(2, 3, 4))
    return F.relu(weights["hidden"](pooled.flatten(1)))


def origin(options: Options) -> str:
    """What the weights started as."""
    return "random" if options.weights == "random" else f"{options.weights} ({_FILE})"


def weights_digest(options: Options) -> str | None:
    """Digest of the published file; None where weights are newly drawn.

    Raises:
        ConfigError: it is not here, or is not the published file.
    """
    from affectstore.models.encoders._named import file_digest

    return file_digest(options.weights, _FILE)


def _pooled(given: Given) -> list[int]:
    """Lengths of the last map along frame, height and width, after its pooling."""
    lengths = [-(-length // stride) for length, stride in zip(given.shape[1:], _STRIDES, strict=True)]
    return [length - min(kernel, length) + 1 for kernel, length in zip(_POOL, lengths, strict=True)]
