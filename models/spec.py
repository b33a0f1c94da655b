"""Declarations of encoders, fusions, losses and training tricks: everything that planning needs, free of torch.

A file of `encoders/` or `fusions/` holds `SPEC`, `Options`, one `torch.nn.Module` and `build`. `SPEC` and `Options` are
read without importing the rest (see `affectstore.declarations`), so both, and whatever they refer to, must not need
torch. The modules' base classes are in `affectstore.models.modules`.

    encoders/<name>.py    SPEC: EncoderSpec   Options: EncoderOptions   build(shape, options) -> Encoder
    fusions/<name>.py     SPEC: FusionSpec    Options: FusionOptions    build(dims, num_classes, options) -> Fusion
                                              Options: JoinOptions      build(options) -> InputFusion
    losses/<name>.py      SPEC: LossSpec      Options: Settings         build(weights, smoothing, options) -> Loss
    tricks/<name>.py      SPEC: TrickSpec     Options: TrickOptions     build(options, setup) -> Trick

Axes: images are (clip, channel, height, width), clips of images (clip, channel, frame, height, width), sequences (clip,
step, dim), all float32. Masks are bool (clip, frame) or (clip, step), False where padded; an image has one frame.
Padding is zero and always at the end. The output of a clip must not depend on its padding or on the other clips of its
batch.
"""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.errors import AffectstoreError
from affectstore.registry import DeclarationRegistry

InputKind = Literal["image", "clip", "sequence"]
OutputKind = Literal["vector", "sequence", "layers"]

#: Input kind of an encoder -> axis names.
INPUT_AXES: Mapping[InputKind, tuple[str, ...]] = {
    "image": ("clip", "channel", "height", "width"),
    "clip": ("clip", "channel", "frame", "height", "width"),
    "sequence": ("clip", "step", "dim"),
}

#: Output kind of an encoder -> axis names. Each kind includes those before it: a sequence comes with the vector that it
#: is pooled to, layers come with the sequence that is the last of them.
OUTPUT_AXES: Mapping[OutputKind, tuple[str, ...]] = {
    "vector": ("clip", "dim"),
    "sequence": ("clip", "step", "dim"),
    "layers": ("layer", "clip", "step", "dim"),
}

#: Part of the digest of every network: bumped when the same data and settings would give other weights or predictions.
TRAINING_VERSION = 2

#: Part of the digest of every baseline: bumped when the same features would give other pooled vectors.
VECTORS_VERSION = 1


class TrainingError(AffectstoreError):
    """A cell cannot be trained as configured: no clips, a modality without effect, a loss that is not finite."""


class ImageShape(Settings):
    """Shape of an image input."""

    channels: int = Field(ge=1, description="Channels.")
    height_px: int = Field(ge=1, description="Height, in pixels.")
    width_px: int = Field(ge=1, description="Width, in pixels.")

    @property
    def size(self) -> tuple[int, ...]:
        """Lengths of the axes after the clip axis."""
        return (self.channels, self.height_px, self.width_px)


class ClipShape(ImageShape):
    """Shape of an input of several frames."""

    frames: int = Field(ge=1, description="Frames.")

    @property
    def size(self) -> tuple[int, ...]:
        """Lengths of the axes after the clip axis."""
        return (self.channels, self.frames, self.height_px, self.width_px)


class SequenceShape(Settings):
    """Shape of a sequence input; its number of steps is that of the longest clip of a batch."""

    dim: int = Field(ge=1, description="Values of each step.")


Shape: TypeAlias = ClipShape | ImageShape | SequenceShape


@dataclass(frozen=True)
class EncoderSpec:
    """Description of an encoder.

    Attributes:
        version: Bumped whenever the same weights give other outputs, or a seed gives other weights.
        summary: One line for the docs.
        input_kind: A key of `INPUT_AXES`.
        output_kind: The last key of `OUTPUT_AXES` that the encoder outputs; one with layers is a `NoisyEncoder`.
        paper: Authors, year and title of the paper that describes it; for a network of one of the documents, which.
    """

    version: int
    summary: str
    input_kind: InputKind
    output_kind: OutputKind
    paper: str

    def outputs(self, kind: OutputKind) -> bool:
        """Test if the encoder outputs this kind, or a later one."""
        kinds = list(OUTPUT_AXES)
        return kinds.index(self.output_kind) >= kinds.index(kind)


@dataclass(frozen=True)
class FusionSpec:
    """Description of a fusion.

    Attributes:
        version: Bumped whenever the same weights give other outputs, or a seed gives other weights.
        summary: One line for the docs.
        needs: "inputs", or the output kind that every encoder must have.
        paper: Authors, year, title and equation of the paper that describes it; or the document.
        axis: For "inputs", the axis along which they are joined.
        uses_unlabelled: Has losses that need no labels, so that it can learn from unlabelled clips.
        words: Modality whose rows are words, for fusions that align the others with them; cells need that modality, and
            clips without word times are left out.
        needs_teachers: Learns from the logits of trained networks; needs "vector" or "sequence".
        handles_missing: Leaves out modalities that a clip lacks; other fusions receive zeros.
        calibrates: Fits parameters on the validation subset after the epoch is chosen.
    """

    version: int
    summary: str
    needs: Literal["inputs"] | OutputKind
    paper: str
    axis: str | None = None
    uses_unlabelled: bool = False
    words: str | None = None
    needs_teachers: bool = False
    handles_missing: bool = False
    calibrates: bool = False


@dataclass(frozen=True)
class LossSpec:
    """Description of a loss.

    Attributes:
        version: Bumped whenever the same logits and labels give another loss.
        summary: One line for the docs.
        paper: Authors, year, title and equation.
        label_smoothing: Accepts `train.label_smoothing`.
    """

    version: int
    summary: str
    paper: str
    label_smoothing: bool = False


@dataclass(frozen=True)
class TrickSpec:
    """Description of a training trick.

    Attributes:
        version: Bumped whenever the same settings train another network.
        summary: One line for the docs.
        paper: Authors, year, title and equation.
        conflicts: Names of the tricks that it cannot be combined with.
        replaces_loss: Overrides `Trick.losses`; a cell can have one such trick.
    """

    version: int
    summary: str
    paper: str
    conflicts: tuple[str, ...] = ()
    replaces_loss: bool = False


class EncoderOptions(Settings):
    """Options of an encoder; subclasses add fields and override what applies to them."""

    @property
    def depth(self) -> int:
        """Number of layers that the encoder outputs; 0 where its output kind is not "layers"."""
        return 0

    @property
    def pretrained_source(self) -> str:
        """Name of the weights that training starts from; "random" for newly initialised ones."""
        return "random"

    def pretrained_digest(self) -> str | None:
        """Digest of the published weights that would be loaded; None for newly initialised ones.

        Raises:
            ConfigError: They are missing or wrong; the message names the file, its source and the folder.
        """
        return None

    def resolved(self) -> Self:
        """Options with the values filled in that follow from the published weights, so that a trained network can be
        rebuilt without them."""
        return self

    def problem(self, shape: Shape) -> str | None:
        """Reason why inputs of this shape are impossible, or None."""
        return None


class FusionOptions(Settings):
    """Options of a fusion; subclasses add fields and override what applies to them."""

    def problem(self, modalities: tuple[str, ...], depths: Mapping[str, int]) -> str | None:
        """Reason why these modalities cannot be fused, or None.

        Args:
            modalities: Modalities of the cell, in order.
            depths: Modality -> number of layers of its encoder, for encoders that output layers.
        """
        return None

    def used_modalities(self, modalities: tuple[str, ...]) -> tuple[str, ...]:
        """Modalities that the logits depend on."""
        return modalities


class JoinOptions(FusionOptions, abc.ABC):
    """Options of a fusion of inputs."""

    @abc.abstractmethod
    def join_shapes(self, shapes: Mapping[str, ImageShape]) -> ImageShape:
        """Shape of the joined input.

        Args:
            shapes: Modality -> shape of its input; all images, or all clips.
        """


@dataclass(frozen=True)
class TrickUse:
    """Facts about a cell that decide if a trick can be used.

    Attributes:
        modalities: Modalities of the cell, in order.
        known_modalities: Modalities that options may name: the cell's for its own `tricks`, those of all cells for
            `tricks` that cells share.
        fusion: Description of the fusion; None for one modality.
        fusion_name: Its name; empty for one modality.
        sharing: "separate", "shared", "modality_agnostic" or None.
        unlabelled: Unlabelled clips are trained on too.
        teachers: Modalities that have a teacher.
    """

    modalities: tuple[str, ...]
    known_modalities: tuple[str, ...]
    fusion: FusionSpec | None
    fusion_name: str
    sharing: str | None
    unlabelled: bool
    teachers: tuple[str, ...]


class TrickOptions(Settings):
    """Options of a training trick; subclasses add fields."""

    def problem(self, use: TrickUse) -> str | None:
        """Reason why the trick cannot be used in a cell, or None."""
        return None


ENCODERS: DeclarationRegistry[EncoderSpec, EncoderOptions] = DeclarationRegistry(
    "encoder", ("affectstore.models.encoders",)
)
FUSIONS: DeclarationRegistry[FusionSpec, FusionOptions] = DeclarationRegistry("fusion", ("affectstore.models.fusions",))
LOSSES: DeclarationRegistry[LossSpec, Settings] = DeclarationRegistry("loss", ("affectstore.models.losses",))
TRICKS: DeclarationRegistry[TrickSpec, TrickOptions] = DeclarationRegistry("trick", ("affectstore.models.tricks",))
