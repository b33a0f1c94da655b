"""The clip's frames on an even time grid, each stretched to one size."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from affectstore.features import base
from affectstore.media.decode_video import shown_rows, timed_frames, to_array
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

SPEC = base.Spec(
    name="frames",
    version=1,
    summary="pictures of the whole frame at a constant rate",
    modality="vision",
    media=("video",),
    libraries=("av",),
)


class Options(base.Options):
    """Options of `frames`."""

    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"colour": {"grey": "grayscale"}}

    fps: Annotated[float, Field(gt=0, le=1000)] | Literal["source"] = Field(
        default=24, description="Frames per second, or `source`: every frame of the file, with its own time."
    )
    size_px: base.ImageSize = Field(
        default=224, description="Side of the square, or height and width, to which frames are stretched."
    )
    leave_out: int | None = Field(
        default=None,
        ge=2,
        description="With `fps: source`: every n-th frame is left out (5: of 30 frames 24 are kept).",
    )
    colour: Literal["rgb", "grayscale"] = Field(default="rgb", description="rgb or grayscale (one channel less).")

    @model_validator(mode="after")
    def _only_source_frames_are_left_out(self) -> Options:
        if self.leave_out is not None and self.fps != "source":
            raise ValueError(f"leave_out {self.leave_out} counts frames of the file: it requires `fps: source`")
        return self


class Extractor(base.BaseExtractor):
    """Decoding and scaling of the first video stream of the clip's video file."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: uint8 (frame, height, width[, 3]); at the source's rate `times`: float64 (frame,)."""
        values = base.image_spec("frame", base.height_width(self.options.size_px), self.options.colour, "jpeg")
        times = ArraySpec("times", "float64", ("frame",), unit="s")
        return (values, times) if self.options.fps == "source" else (values,)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Decode frames; row k is the frame on screen at the start of its span, the first frame's time + k/fps.

        Rows continue while there is a frame, so the last row's span may end up to 1/fps after it.

        Raises:
            ClipError: The file cannot be decoded in full.
            NotApplicable: The clip has no video file.
        """
        from av.video.reformatter import VideoReformatter

        options = self.options
        scaler = VideoReformatter()
        source = clip.media.source("video")
        shown = timed_frames(source.path, source.start_s, source.end_s)
        if options.fps == "source":
            rows, starts = [], []
            for number, picture in enumerate(shown, start=1):
                if options.leave_out and number % options.leave_out == 0:
                    continue
                rows.append(to_array(picture.frame, scaler, options.size_px, options.colour))
                starts.append(float(picture.start))
            return ClipArrays({"values": np.stack(rows), "times": np.array(starts)})
        rate = Fraction(str(options.fps))
        rows, start = [], Fraction(0)
        for picture, count in shown_rows(shown, rate):
            start = start if rows else picture.start
            rows += [to_array(picture.frame, scaler, options.size_px, options.colour)] * count
        return ClipArrays({"values": np.stack(rows)}, Grid(start, rate))
