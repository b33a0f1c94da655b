"""The contracts of encoders and fusions: one file each, found by its name.

An encoder file `models/encoders/<name>.py` declares

- `SPEC`, an `EncoderSpec`: version, what it takes and what it gives;
- `Options`, a frozen `Settings`; an option named `weights` says what training starts from, and may be
  "random";
- `features(given, options) -> int`: width of what it gives, by arithmetic: of the vector, and of the sequence and
  each layer where it gives them;
- `weights(given, options) -> torch.nn.Module`: what is learnt, freshly initialised;
- `encode(weights, values, mask, options)`: the forward pass, to a Tensor (clip, feature) where it gives a vector
  alone, and to an `Encoded` where it gives more;
- where it gives layers: `depth(options) -> int`, how many, and its `encode` takes a fifth argument `noise`: each
  layer is corrupted with Gaussian noise, so many deviations of its own wide, before the next one reads it;
- `origin(options) -> str`: what the weights started as ("random", or a published file);
- where it has an option `weights`: `weights_digest(options) -> str | None`, the digest of what would be loaded, None
  for "random"; a `ConfigError` says what is missing, from where and where to, before any job starts;
- where options may be left to what is published: `settled(options) -> Options`, the same with that written in, so that
  a trained network can be rebuilt where the published one is not;
- where some pictures or clips are nothing for it: `check(given, options) -> str`, why, or ''.

A fusion file `models/fusions/<name>.py` declares `SPEC`, a `FusionSpec`, `Options`, and

- where `SPEC.needs` is "inputs" (the modalities become one input of one encoder): `joined(given,
  options) -> Given` and `join(values, masks, options) -> (values, mask)`;
- where it is what every encoder must give at least: `weights(sizes, classes, options) ->
  torch.nn.Module` and `fuse(weights, encoded, criterion, options) -> Output`, where `encoded` is modality ->
  Tensor (clip, feature) for "vector", and modality -> `Encoded` for "sequence" and "layers". `criterion` is a
  `Criterion`, None outside training: losses of its own on logits of its own go through it, as the engine's do, so
  that class weights, label smoothing, mixup and clips without labels reach them.

Any fusion may declare `check(modalities, options, depths) -> str`: why it cannot fuse these modalities, or ''. `depths`
is modality -> how many layers its encoder gives, for those that give layers. Both checks are asked of every cell before
any job starts, and cells that `encoders` and `fusions` of an experiment make are left out where they say something.

A fusion of what encoders give may also declare

- `ablate(values, masks, options) -> values`: called in training alone, on the inputs of all modalities before they are
  encoded, where it takes some of them away;
- `settle(weights, vectors, labels, options)`, where it needs "vector": called once, on the whole validation side,
  after the epoch was chosen;
- `heard(modalities, options) -> tuple[str, ...]`: the modalities that its logits depend on, where it ignores some
  on purpose;
- `scores(weights, encoded, options) -> dict[str, Tensor]`: modality -> logits (clip, class) of that modality alone,
  where it has such: what OGM-GE and G-Blending compare modalities by. Of a fusion without them it is what `fuse` makes
  of that modality with zeros in place of all others.

A fusion that goes word by word names in `SPEC.words` the modality whose rows are words; the `Encoded` of every other
modality then has `spans`: which of its steps lie under each word, as the clips' word times say.

A fusion that says `SPEC.taught` gets as a fifth argument of `fuse` what teachers say: modality -> logits (clip, class),
for those modalities that have one; empty outside training.

A clip lacks a modality where its mask has no frame or step: what the encoder gave is zero then. A fusion that says
`SPEC.leaves_out` gets as a fifth argument of `fuse` modality -> bool (clip,), which clips have it, and combines those
alone; empty where all clips have all, as in training.

A fusion of layers declares `noise(options) -> float`; `weights` gets the widths of each modality's layers (first to
last) instead of one size, and `fuse` gets in training, as a fifth argument, what the encoders give with that noise.

All are called with positional arguments; mappings have the modality as key, in the cell's order.

Declarations are read before any job starts, also where torch is not installed: it is imported inside
the functions that use it. What is learnt lives in modules, what is done with it in functions.

Axes: image values are (clip, channel, height, width), clip values (clip, channel, frame, height,
width), sequences (clip, step, feature), all float32; masks are (clip, frame) or (clip, step), False where
it is padding, and of one frame for images. Padding is zero. Sequences are as long as the longest clip of
their batch, and nothing that a clip gives may depend on that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.errors import AffectstoreError
from affectstore.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

ENCODERS = Registry("encoder", ("affectstore.models.encoders",))
FUSIONS = Registry("fusion", ("affectstore.models.fusions",))

Takes = Literal["image", "clip", "sequence"]
Gives = Literal["vector", "sequence", "layers"]

#: Axis names of what an encoder takes.
AXES: Mapping[Takes, tuple[str, ...]] = {
    "image": ("clip", "channel", "height", "width"),
    "clip": ("clip", "channel", "frame", "height", "width"),
    "sequence": ("clip", "step", "feature"),
}

#: Axis names of what an encoder gives. Whoever gives one of these gives those before it too: a sequence comes
#: with the vector that it was pooled to, layers with the sequence that is the last of them.
OUTPUTS: Mapping[Gives, tuple[str, ...]] = {
    "vector": ("clip", "feature"),
    "sequence": ("clip", "step", "feature"),
    "layers": ("layer", "clip", "step", "feature"),
}


@dataclass(frozen=True)
class EncoderSpec:
    """What an encoder is.

    Attributes:
        version: bumped whenever the same weights give other outputs, or a seed gives other weights.
        summary: one line for the docs.
        takes: a key of `AXES`.
        gives: the last key of `OUTPUTS` that it gives.
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
        unlabelled: whether it learns from clips without labels too, by losses that do not need them.
        words: the modality whose rows are words, where it goes word by word: cells need that modality, and clips
            whose word times are not known are left out.
        taught: whether it learns from what trained networks of one modality say; needs "vector" or "sequence".
        leaves_out: whether it leaves out modalities that a clip lacks, where others read zeros.
    """

    version: int
    summary: str
    needs: Literal["inputs"] | Gives
    axis: str | None = None
    unlabelled: bool = False
    words: str | None = None
    taught: bool = False
    leaves_out: bool = False


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


class GivenSteps(Settings):
    """Shape of one input that is a sequence, but for the numbers of clips and steps."""

    columns: int = Field(ge=1, description="Columns of the feature.")


class Encoded(NamedTuple):
    """What an encoder gives of a batch.

    Attributes:
        vector: (clip, feature).
        sequence: (clip, step, feature), zero where padded; None where it gives a vector alone.
        mask: bool (clip, step) of the sequence.
        layers: the hidden sequences from the first layer to the last, each (clip, step, feature); empty where it
            gives no layers.
        spans: int64 (clip, word, 2), the first and the last + 1 of the steps under each word, (0, 0) where there is no
            word; set by the network, for fusions that go word by word, in all modalities but that of the words.
    """

    vector: Tensor
    sequence: Tensor | None = None
    mask: Tensor | None = None
    layers: tuple[Tensor, ...] = ()
    spans: Tensor | None = None


def gives(spec: EncoderSpec, needed: Gives) -> bool:
    """Whether an encoder gives what is needed, or more."""
    order = list(OUTPUTS)
    return order.index(spec.gives) >= order.index(needed)


class Output(NamedTuple):
    """What a network gives.

    Attributes:
        logits: (clip, class), before any softmax.
        losses: auxiliary losses by name, to be added to the criterion of the logits; empty without a criterion.
        scores: modality -> logits (clip, class) of it alone, where they were asked for.
    """

    logits: Tensor
    losses: dict[str, Tensor]
    scores: Mapping[str, Tensor] = MappingProxyType({})


#: Logits (clip, class), or log-probabilities, of a batch's clips in their order, to their mean loss in nats: how far
#: they are from the labels. Clips without labels have no part in it.
Criterion: TypeAlias = "Callable[[Tensor], Tensor]"


def any_frame(masks: Mapping[str, Tensor]) -> Tensor:
    """Mask (clip, frame) of inputs joined frame by frame: a frame counts where any modality has it."""
    first, *others = masks.values()
    for mask in others:
        first = first | mask
    return first
