"""The contract of an extractor: one file, one feature.

A file `features/<audio|video|text>/<name>.py` declares three things:

- `SPEC`, a `Spec`: version, needs and the arrays it gives;
- `Options`, a frozen pydantic model: every option with its default first in the docs; where what is read
  depends on them, `Options.narrowed(SPEC)` says so;
- `Extractor(options, upstream)`, whose `extract(clip)` is a pure function of the clip and the options;
  `upstream` are the extractors it reads, by need, so that it knows the shapes that reach it.

Modules are imported to read SPEC and Options only, so heavy imports (torch, librosa) stand inside
the functions that use them. `extract` sees one clip at a time: what a clip gives cannot depend on
its neighbours, and a clip that is computed alone equals the one computed in a full run.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from affectstore.errors import NotApplicable
from affectstore.registry import Registry
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec

EXTRACTORS: Registry[Any] = Registry(
    "extractor",
    ("affectstore.features.audio", "affectstore.features.video", "affectstore.features.text"),
    ("SPEC", "Options", "Extractor"),
)

#: A length of a picture that an option names.
Pixels = Annotated[int, Field(ge=1, le=4096)]


class Options(BaseModel):
    """Base of every extractor's options: frozen, no unknown key."""

    # Defaults are validated too: `fps: 24` written out and the default 24 are the same value, and digest.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def narrowed(self, spec: Spec) -> Spec:
        """What the extractor is under these options: a transcript is read from the corpus or from the sound."""
        return spec


@dataclass(frozen=True)
class Spec:
    """What an extractor is.

    Attributes:
        name: its file's name.
        version: bumped whenever its output changes for the same input and options.
        summary: one line for the docs and `affectstore ls`.
        modality: what its rows describe, "audio", "vision" or "text".
        media: which files it reads itself: sound, picture, the corpus' word times; their content hashes enter
            the clip key.
        columns: columns of the clips table that it reads; their values enter the clip key.
        needs: extractors whose output it reads.
        libraries: distributions that compute its values; their versions are stored beside them.
        gpu: whether it runs a network that uses a GPU where there is one.
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
    """A media file and the part of it that is the clip.

    Attributes:
        path: the file.
        start_s, end_s: the segment; 0 and None for the whole file.
    """

    path: Path
    start_s: Fraction = Fraction(0)
    end_s: Fraction | None = None


@dataclass(frozen=True)
class Media:
    """The files behind a clip. Time 0 of the clip is where the segment of each of them begins.

    Attributes:
        audio: file whose first audio stream is the clip's sound, or None where the corpus has none.
        video: file whose first video stream is the clip's picture, or None.
        words: file of the corpus that says when each word is spoken, or None.
    """

    audio: Source | None = None
    video: Source | None = None
    words: Path | None = None

    def source(self, kind: Literal["audio", "video"]) -> Source:
        """Where the sound or the picture lies.

        Raises:
            NotApplicable: the corpus has none for this clip.
        """
        source = self.audio if kind == "audio" else self.video
        if source is None:
            raise NotApplicable(f"the clip has no {kind} file")
        return source


@dataclass(frozen=True)
class Clip:
    """One clip as an extractor sees it.

    Attributes:
        clip_id: its name; no value may depend on it.
        media: its files.
        upstream: what it has of the features that the extractor needs, by need.
        text: what is said, as the corpus writes it; None where it does not say, and for extractors whose
            SPEC.columns do not name it.
        face_side: half of the picture that shows the speaker; None where the corpus does not say, likewise.
    """

    clip_id: str
    media: Media
    upstream: Mapping[str, ClipArrays] = field(default_factory=dict)
    text: str | None = None
    face_side: Literal["left", "right"] | None = None


class BaseExtractor(abc.ABC):
    """Turns one clip into arrays; holds the options and, where there are any, weights.

    Constructing one is light: weights are loaded by the first `extract` that needs them.

    Args:
        options: of the extractor's own `Options`.
        upstream: the extractors whose output it reads, by need.
    """

    def __init__(self, options: Options, upstream: Mapping[str, BaseExtractor] | None = None):
        self.options = options
        self.upstream = dict(upstream or {})

    @abc.abstractmethod
    def arrays(self) -> tuple[ArraySpec, ...]:
        """The arrays that `extract` gives under these options; the first is `values`."""

    @abc.abstractmethod
    def extract(self, clip: Clip) -> ClipArrays:
        """Compute the clip's arrays.

        Raises:
            ClipError: the clip cannot give this feature (no face, no sound); the reason is stored.
            NotApplicable: the feature has no meaning for the clip.
        """

    def weights_digest(self) -> str | None:
        """Digest of the weights that `extract` uses, or None where it uses none.

        Raises:
            ConfigError: they are not there; the message says where they were looked for.
        """
        return None

    def attributes(self) -> Mapping[str, Any]:
        """What else a reader of the values should know, JSON-like; stored among the attributes as `notes`.

        It follows from the options and the installed libraries alone, never from a clip.
        """
        return {}


def build(
    name: str, options: Mapping[str, Any] | None = None, upstream: Mapping[str, BaseExtractor] | None = None
) -> BaseExtractor:
    """An extractor by name; upstream extractors that are not given have their default options.

    >>> build("mel", {"n_mels": 64}).arrays()[0].shape
    (64,)

    Raises:
        UnknownNameError: no file declares `name`.
        pydantic.ValidationError: an unknown or impossible option.
    """
    module = EXTRACTORS.load(name)
    given, own = dict(upstream or {}), module.Options(**(options or {}))
    sources = {need: given[need] if need in given else build(need) for need in own.narrowed(module.SPEC).needs}
    return module.Extractor(own, sources)
