"""The contract of an extractor: one file, one feature.

A file `features/<audio|video|text>/<name>.py` declares three things:

- `SPEC`, a `Spec`: version, inputs and description;
- `Options`, a frozen pydantic model: every option with its default, and, where the inputs depend on the options,
  `Options.spec_for(SPEC)`;
- `Extractor(options, upstream)`, whose `extract(clip)` is a pure function of the clip and the options;
  `upstream` are the extractors it reads, by need, so that it knows the shapes of its inputs.

Planning imports these modules only to read SPEC and Options, so heavy imports (torch, librosa) are inside the
functions that use them. `extract` receives one clip at a time: values cannot depend on neighbouring clips, and a
clip that is computed alone equals the one from a full run.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.errors import NotApplicable
from affectstore.registry import Registry
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec, Codec

EXTRACTORS: Registry[Any] = Registry(
    "extractor",
    ("affectstore.features.audio", "affectstore.features.video", "affectstore.features.text"),
    ("SPEC", "Options", "Extractor"),
)

#: Size of images in an option: the side of a square, or height and width.
Pixels = Annotated[int, Field(ge=1, le=4096)]
ImageSize = Pixels | tuple[Pixels, Pixels]


class Options(Settings):
    """Base class of every extractor's options: frozen, without unknown keys."""

    # Defaults are validated too: `fps: 24` written out and the default 24 are the same value, and digest.

    def digested(self) -> dict[str, Any]:
        """Options as the feature digest covers them: by former names, so that a rename computes nothing again."""
        former = {new: old for old, new in self.renamed.items()}
        values = {key: {new: old for old, new in pairs.items()} for key, pairs in self.renamed_values.items()}
        dumped = self.model_dump(mode="json").items()
        return {former.get(k, k): values.get(k, {}).get(v, v) if isinstance(v, str) else v for k, v in dumped}

    def spec_for(self, spec: Spec) -> Spec:
        """Specify the extractor under these options, whose inputs may depend on them (see `transcript`)."""
        return spec


@dataclass(frozen=True)
class Spec:
    """Declaration of an extractor.

    Attributes:
        name: Name of its file.
        version: Number that is increased whenever the output changes for the same input and options.
        summary: One line for the docs and `affectstore ls`.
        modality: Modality of its rows.
        media: Files that it reads itself: audio, video or word times; their content hashes enter the clip key.
        columns: Columns of the clips table that it reads; their values enter the clip key.
        needs: Extractors whose output it reads.
        libraries: Distributions that compute its values; their versions are stored beside them.
        gpu: True if it runs a network that uses a GPU where there is one.
    """

    name: str
    version: int
    summary: str
    modality: Literal["audio", "vision", "text"]
    media: tuple[Literal["audio", "video", "words"], ...] = ()
    columns: tuple[Literal["text", "face_side"], ...] = ()
    needs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    gpu: bool = False


@dataclass(frozen=True)
class Source:
    """A media file and the segment of it that is the clip.

    Attributes:
        path: The file.
        start_s: Start of the segment; 0 for the whole file.
        end_s: End of the segment; None for the whole file.
    """

    path: Path
    start_s: Fraction = Fraction(0)
    end_s: Fraction | None = None


@dataclass(frozen=True)
class Media:
    """Files of a clip. Time 0 of the clip is the start of the segment in each of them.

    Attributes:
        audio: File whose first audio stream is the clip's audio; None where the corpus has none.
        video: File whose first video stream is the clip's video; None where the corpus has none.
        words: File with the corpus' word times; None where the corpus has none.
    """

    audio: Source | None = None
    video: Source | None = None
    words: Path | None = None

    def source(self, kind: Literal["audio", "video"]) -> Source:
        """Locate the audio or the video.

        Raises:
            NotApplicable: The corpus has none for this clip.
        """
        source = self.audio if kind == "audio" else self.video
        if source is None:
            raise NotApplicable(f"the clip has no {kind} file")
        return source


@dataclass(frozen=True)
class Clip:
    """Input of an extractor.

    Attributes:
        clip_id: Name of the clip; no value may depend on it.
        media: Files of the clip.
        upstream: Arrays of the clip in the features that the extractor needs, by need.
        text: Transcript from the corpus; None where the corpus has none, or where SPEC.columns does not name it.
        face_side: Half of the image that shows the speaker; None under the same conditions.
    """

    clip_id: str
    media: Media
    upstream: Mapping[str, ClipArrays] = field(default_factory=dict)
    text: str | None = None
    face_side: Literal["left", "right"] | None = None


class BaseExtractor(abc.ABC):
    """Base class of extractors, which turn one clip into arrays; holds options and, where there are any, weights.

    Construction is cheap: the first `extract` that needs weights loads them.

    Args:
        options: Options of the extractor's own class.
        upstream: Extractors whose output it reads, by need.
    """

    def __init__(self, options: Options, upstream: Mapping[str, BaseExtractor] | None = None):
        self.options = options
        self.upstream = dict(upstream or {})

    @abc.abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare the arrays that `extract` returns under these options; the first is `values`."""

    @abc.abstractmethod
    def extract(self, clip: Clip) -> ClipArrays:
        """Compute the clip's arrays.

        Raises:
            ClipError: The feature cannot be computed for the clip (no face, no audio); the reason is stored.
            NotApplicable: The feature has no meaning for the clip.
        """

    def weights_digest(self) -> str | None:
        """Compute the digest of the weights that `extract` uses; None where it uses none.

        Raises:
            ConfigError: The weights are missing; the message lists the folders that were searched.
        """
        return None

    def attributes(self) -> Mapping[str, Any]:
        """Describe the values further for their readers: JSON-like, stored among the attributes as `notes`.

        The notes depend on the options and the installed libraries alone, never on a clip.
        """
        return {}


def height_width(size: ImageSize) -> tuple[int, int]:
    """Convert the side of a square to height and width; keep both if it has both."""
    return (size, size) if isinstance(size, int) else size


def image_spec(row: str, size_px: tuple[int, int], colour: str, codec: Codec) -> ArraySpec:
    """Declare `values`: uint8 (row, height, width), with three channels unless `colour` is grayscale."""
    channels = () if colour == "grayscale" else (3,)
    dims = (row, "height", "width", *("channel" for _ in channels))
    return ArraySpec("values", "uint8", dims, (*size_px, *channels), codec=codec)


def build(
    name: str, options: Mapping[str, Any] | None = None, upstream: Mapping[str, BaseExtractor] | None = None
) -> BaseExtractor:
    """Build an extractor by name; upstream extractors that are not passed have their default options.

    >>> build("mel", {"n_mels": 64}).arrays()[0].shape
    (64,)

    Raises:
        UnknownNameError: No file declares `name`.
        pydantic.ValidationError: An option is unknown or impossible.
    """
    module = EXTRACTORS.load(name)
    passed, own = dict(upstream or {}), module.Options(**(options or {}))
    sources = {need: passed[need] if need in passed else build(need) for need in own.spec_for(module.SPEC).needs}
    return module.Extractor(own, sources)
