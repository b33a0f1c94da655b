"""The contracts of encoders and fusions: one file each, found by its name.

An encoder file `models/encoders/<name>.py` declares

- `SPEC`, an `EncoderSpec`: version, what it takes and what it gives;
- `Options`, a frozen `Settings`; an option named `weights` says what training starts from, and may be
  "random";
- `features(given, options) -> int`: width of the vector it gives, by arithmetic;
- `weights(given, options) -> torch.nn.Module`: what is learnt, freshly initialised;
- `encode(weights, values, mask, options) -> Tensor`: the forward pass;
- `origin(options) -> str`: what the weights started as ("random", or a published file).

A fusion file `models/fusions/<name>.py` declares `SPEC`, a `FusionSpec`, `Options`, and

- where `SPEC.needs` is "inputs" (the modalities become one input of one encoder): `joined(given,
  options) -> Given` and `join(values, masks, options) -> (values, mask)`;
- where it is what every encoder must give ("vector"): `weights(sizes, classes, options) ->
  torch.nn.Module` and `fuse(weights, vectors, labels, options) -> Output`.

All are called with positional arguments; mappings have the modality as key, in the cell's order.

Declarations are read before any job starts, also where torch is not installed: it is imported inside
the functions that use it. What is learnt lives in modules, what is done with it in functions.

Axes: image values are (clip, channel, height, width), clip values (clip, channel, frame, height,
width), both float32; masks are (clip, frame), False where a frame is padding, and of one frame for
images. Padding is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.errors import AffectstoreError
from affectstore.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

ENCODERS = Registry("encoder", ("affectstore.models.encoders",))
FUSIONS = Registry("fusion", ("affectstore.models.fusions",))

Takes = Literal["image", "clip"]
Gives = Literal["vector"]

#: Axis names of what an encoder takes.
AXES: Mapping[Takes, tuple[str, ...]] = {
    "image": ("clip", "channel", "height", "width"),
    "clip": ("clip", "channel", "frame", "height", "width"),
}

#: Axis names of what an encoder gives.
OUTPUTS: Mapping[Gives, tuple[str, ...]] = {"vector": ("clip", "feature")}


@dataclass(frozen=True)
class EncoderSpec:
    """What an encoder is.

    Attributes:
        version: bumped whenever the same weights give other outputs, or a seed gives other weights.
        summary: one line for the docs.
        takes: a key of `AXES`.
        gives: a key of `OUTPUTS`.
    """

    version: int
    summary: str
    takes: Takes
    gives: Gives


@dataclass(frozen=True)
class FusionSpec:
    """What a fusion is.

    Attributes:
        version: bumped whenever the same weights give other outputs, or a seed gives other weights.
        summary: one line for the docs.
        needs: "inputs", or what every encoder must give.
        axis: for inputs, the axis along which they are joined.
    """

    version: int
    summary: str
    needs: Literal["inputs"] | Gives
    axis: str | None = None


class TrainingError(AffectstoreError):
    """A cell cannot be trained as asked: no clips, a modality without effect, a loss that is not finite."""


class Given(Settings):
    """Shape of one input, but for the number of clips."""

    channels: int = Field(ge=1, description="Channels.")
    height_px: int = Field(ge=1, description="Height, in pixels.")
    width_px: int = Field(ge=1, description="Width, in pixels.")
    frames: int | None = Field(default=None, ge=1, description="Frames; none for an image.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes after the clip's."""
        frames = () if self.frames is None else (self.frames,)
        return (self.channels, *frames, self.height_px, self.width_px)


class Output(NamedTuple):
    """What a network gives.

    Attributes:
        logits: (clip, class), before any softmax.
        losses: auxiliary losses by name, to be added to the cross-entropy; empty without labels.
    """

    logits: Tensor
    losses: dict[str, Tensor]


def any_frame(masks: Mapping[str, Tensor]) -> Tensor:
    """Mask (clip, frame) of inputs joined frame by frame: a frame counts where any modality has it."""
    first, *others = masks.values()
    for mask in others:
        first = first | mask
    return first
