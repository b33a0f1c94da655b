"""Pairs of frames, one at every half second and the one that follows it, side by side.

The image input of seed 004: "every half second we took two frames ... We concatenate these two frames
horizontally", about six pairs from a recording of three seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.media.decode_video import TimedFrame, timed_frames, to_array
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid, rows_covering

SPEC = base.Spec(
    name="frame_pairs",
    version=1,
    summary="a picture every half second beside the one that follows it",
    modality="vision",
    media=("video",),
    libraries=("av",),
)


class Options(base.Options):
    """Options of `frame_pairs`."""

    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"colour": {"grey": "grayscale"}}

    every_s: Annotated[float, Field(ge=0.001, le=3600)] = Field(
        default=0.5, description="Seconds from one pair to the next; the first is at the start of the video."
    )
    size_px: base.ImageSize = Field(
        default=224,
        description="Side of the square, or height and width, to which each frame is stretched.",
    )
    colour: Literal["rgb", "grayscale"] = Field(default="rgb", description="rgb or grayscale (one axis less).")


class Extractor(base.BaseExtractor):
    """Decoder of the first video stream of the clip's video file, run once."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: uint8 (pair, height, 2 width[, 3]), the earlier frame on the left."""
        height, width = base.height_width(self.options.size_px)
        return (base.image_spec("pair", (height, 2 * width), self.options.colour, "jpeg"),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Join frames; pair k is the frame on screen k * every_s after the start of the first one, and its successor.

        A pair needs both frames: the last frame of the clip starts none.

        Raises:
            ClipError: The file cannot be decoded in full, or has one frame only.
            NotApplicable: The clip has no video file.
        """
        from av.video.reformatter import VideoReformatter

        source = clip.media.source("video")
        scaler = VideoReformatter()
        rate = 1 / Fraction(str(self.options.every_s))

        def scaled(timed: TimedFrame) -> np.ndarray:
            return to_array(timed.frame, scaler, self.options.size_px, self.options.colour)

        shown = timed_frames(source.path, source.start_s, source.end_s)
        first = next(shown)
        rows: list[np.ndarray] = []
        begun = 0
        for picture, following in itertools.pairwise(itertools.chain((first,), shown)):
            ended = rows_covering(picture.end - first.start, rate)
            if ended > begun:
                rows += [np.concatenate([scaled(picture), scaled(following)], axis=1)] * (ended - begun)
                begun = ended
        if not rows:
            raise ClipError("the clip shows one picture only, and a pair needs the one that follows")
        return ClipArrays({"values": np.stack(rows)}, Grid(first.start, rate))
