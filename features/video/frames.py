"""The clip's pictures on an even grid of time, each stretched to one square size."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from affectstore.features import base
from affectstore.media.decode_video import pictures, shown_rows, to_array
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

    fps: Annotated[float, Field(gt=0, le=1000)] | Literal["source"] = Field(
        default=24, description="Pictures per second, or `source`: every picture of the file, with its own time."
    )
    size_px: int = Field(default=224, ge=1, le=4096, description="Side of the square the picture is stretched to.")
    colour: Literal["rgb", "grey"] = Field(default="rgb", description="rgb or grey (one channel less).")


class Extractor(base.BaseExtractor):
    """Decodes and scales the first video stream of the clip's picture file."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: uint8 (frame, size, size[, 3]); at the source's rate `times`: float64 (frame,)."""
        size, rgb = self.options.size_px, self.options.colour == "rgb"
        dims = ("frame", "height", "width", *(("channel",) if rgb else ()))
        values = ArraySpec("values", "uint8", dims, (size, size, *((3,) if rgb else ())), codec="jpeg")
        times = ArraySpec("times", "float64", ("frame",), unit="s")
        return (values, times) if self.options.fps == "source" else (values,)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Row k shows what is on screen where its span begins, at the first picture's time + k/fps.

        Rows go on while there is a picture, so the last row's span may end up to 1/fps after it.

        Raises:
            ClipError: the file cannot be decoded in full.
            NotApplicable: the clip has no picture file.
        """
        from av.video.reformatter import VideoReformatter

        media, options = clip.media, self.options
        scaler = VideoReformatter()
        source = clip.media.source("video")
        shown = pictures(source.path, source.start_s, source.end_s)
        if options.fps == "source":
            rows, starts = [], []
            for picture in shown:
                rows.append(to_array(picture.frame, scaler, options.size_px, options.colour))
                starts.append(float(picture.start))
            return ClipArrays({"values": np.stack(rows), "times": np.array(starts)})
        rate = Fraction(str(options.fps))
        rows, start = [], Fraction(0)
        for picture, count in shown_rows(shown, rate):
            start = start if rows else picture.start
            rows += [to_array(picture.frame, scaler, options.size_px, options.colour)] * count
        return ClipArrays({"values": np.stack(rows)}, Grid(start, rate))
