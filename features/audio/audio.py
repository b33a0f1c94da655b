"""The clip's audio: 16-bit samples of one channel at the recording's own rate."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from affectstore.features import base
from affectstore.media.decode_audio import decode_audio
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

SPEC = base.Spec(
    name="audio",
    version=1,
    summary="16-bit samples at the recording's own rate",
    modality="audio",
    media=("audio",),
    libraries=("av",),
)


class Options(base.Options):
    """Options of `audio`."""

    channel: Literal["mix", "left", "right"] | Annotated[int, Field(ge=0)] = Field(
        default="mix", description="mix (the mean of all channels), left, right, or a channel's number from 0."
    )


class Extractor(base.BaseExtractor):
    """Decoder of the first audio stream of the clip's audio file."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: int16 (sample,)."""
        return (ArraySpec("values", "int16", ("sample",)),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Decode the clip's segment; the grid starts with its first sample and has the sampling rate.

        Raises:
            ClipError: The file cannot be decoded in full, or lacks the channel.
            NotApplicable: The clip has no audio file.
        """
        source = clip.media.source("audio")
        sound = decode_audio(source.path, source.start_s, source.end_s, self.options.channel)
        return ClipArrays({"values": sound.samples}, Grid(sound.start, Fraction(sound.rate_hz)))
