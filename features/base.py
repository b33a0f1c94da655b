"""The contract of an extractor: one file, one feature.

A file `features/<audio|video|text>/<name>.py` declares three things:

- `SPEC`, a `Spec`: version, needs and the arrays it gives;
- `Options`, a frozen pydantic model: every option with its default first in the docs;
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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from affectstore.errors import NotApplicable
from affectstore.registry import Registry
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec

EXTRACTORS = Registry(
    "extractor", ("affectstore.features.audio", "affectstore.features.video", "affectstore.features.text")
)


class Options(BaseModel):
    """Base of every extractor's options: frozen, no unknown key."""

    # Defaults are validated too: `fps: 24` written out and the default 24 are the same value, and digest.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


@dataclass(frozen=True)
class Spec:
    """What an extractor is.

    Attributes:
        name: its file's name.
        version: bumped whenever its output changes for the same input and options.
        media: which media it decodes itself ("audio", "video"); their content hashes enter the clip key.
        needs: extractors whose output it reads.
        libraries: distributions that compute its values; their versions are stored beside them.
        modality: what its rows describe, "audio" or "vision".
        summary: one line for the docs and `affectstore ls`.
    """

    name: str
    version: int
    summary: str
    modality: Literal["audio", "vision"]
    media: tuple[Literal["audio", "video"], ...] = ()
    needs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Media:
    """The files behind a clip, and the part of them that is the clip.

    Attributes:
        audio: file whose first audio stream is the clip's sound, or None where the corpus has none.
        video: file whose first video stream is the clip's picture, or None.
        start_s, end_s: the segment; 0 and None for the whole file.
    """

    audio: Path | None
    video: Path | None
    start_s: Fraction = Fraction(0)
    end_s: Fraction | None = None

    def path(self, kind: Literal["audio", "video"]) -> Path:
        """The file that holds the sound or the picture.

        Raises:
            NotApplicable: the corpus has none for this clip.
        """
        path = self.audio if kind == "audio" else self.video
        if path is None:
            raise NotApplicable(f"the clip has no {kind} file")
        return path


@dataclass(frozen=True)
class Clip:
    """One clip as an extractor sees it."""

    clip_id: str
    media: Media
    upstream: Mapping[str, ClipArrays] = field(default_factory=dict)


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
    given = dict(upstream or {})
    sources = {need: given[need] if need in given else build(need) for need in module.SPEC.needs}
    return module.Extractor(module.Options(**(options or {})), sources)
