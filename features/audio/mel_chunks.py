"""The mel spectrogram cut into one chunk per video frame, so that audio and video can be joined frame by frame."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.features.audio._colormap import Colormap, apply_colormap, stretch_weights
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid, resample

SPEC = base.Spec(
    name="mel_chunks",
    version=1,
    summary="mel spectrogram under each video frame",
    modality="audio",
    needs=("mel", "frames"),
)

_MICROSECONDS = 1_000_000


class Options(base.Options):
    """Options of `mel_chunks`."""

    renamed: ClassVar[Mapping[str, str]] = {"picture_px": "image_px"}
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"colour": {"grey": "grayscale"}}

    width: int = Field(default=4, ge=1, le=256, description="Columns of a chunk.")
    align: Literal["time", "stretch"] = Field(
        default="time",
        description="time: a chunk covers its frame's span; stretch: the whole spectrogram in equal parts.",
    )
    image_px: base.ImageSize | None = Field(
        default=None,
        description="Side, or height and width, of images (low frequencies at the bottom) instead of levels in dB.",
    )
    colour: Colormap = Field(
        default="grayscale", description="Of images: grayscale (one channel) or a colour map (RGB)."
    )
    floor_db: float = Field(default=-80.0, lt=0, description="Level of black in images; 0 dB is white.")

    @model_validator(mode="after")
    def _levels_have_no_colour(self) -> Options:
        if self.image_px is None and self.colour != "grayscale":
            raise ValueError(f"colour {self.colour} applies to images: set image_px too")
        return self


class Extractor(base.BaseExtractor):
    """Resampling of the spectrogram under each frame of `frames` to the chunk's width."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float16 (frame, n_mels, width), lowest band first, or uint8 (frame, height, width[, 3]).

        Frames with times of their own pass them on as `times`: float64 (frame,).
        """
        options = self.options
        if options.image_px is not None:
            values = base.image_spec("frame", base.height_width(options.image_px), options.colour, "zstd")
        else:
            (n_mels,) = self.upstream["mel"].arrays()[0].shape
            values = ArraySpec("values", "float16", ("frame", "mel", "width"), (n_mels, options.width), unit="dB")
        times = tuple(spec for spec in self.upstream["frames"].arrays() if spec.name == "times")
        return (values, *times)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute one chunk per video frame, on the frames' grid.

        A video frame before the start or after the end of the audio repeats the nearest spectrogram frame.

        Raises:
            ClipError: Upstream arrays are empty.
        """
        mel, frames = clip.upstream["mel"], clip.upstream["frames"]
        if mel.grid is None or not mel.rows or not frames.rows:
            raise ClipError(f"{mel.rows} columns of the spectrogram and {frames.rows} frames give no chunks")
        columns = self._columns(mel.arrays["values"], mel.grid, frames)
        chunks = columns.reshape(frames.rows, self.options.width, -1).transpose(0, 2, 1)
        passed_on = {"times": frames.arrays["times"]} if frames.grid is None else {}
        return ClipArrays({"values": self._stored(chunks), **passed_on}, frames.grid)

    def _columns(self, level_db: np.ndarray, grid: Grid, frames: ClipArrays) -> np.ndarray:
        """Resample the spectrogram: float64 (frame * width, n_mels)."""
        width, count = self.options.width, frames.rows
        end = grid.edge(len(level_db))
        if self.options.align == "stretch":
            return resample(level_db, grid, (grid.start, end), count * width)
        if frames.grid is not None:
            # Frames adjoin, so the cells of all frames form one even grid.
            return resample(level_db, grid, (frames.grid.start, frames.grid.edge(count)), count * width)
        edges = [Fraction(round(time * _MICROSECONDS), _MICROSECONDS) for time in frames.arrays["times"].tolist()]
        edges.append(2 * edges[-1] - edges[-2] if count > 1 else max(end, edges[0] + 1 / grid.rate))
        return np.concatenate([resample(level_db, grid, span, width) for span in itertools.pairwise(edges)])

    def _stored(self, chunks: np.ndarray) -> np.ndarray:
        """Convert chunks (frame, n_mels, width) in dB to the declared dtype and shape."""
        options = self.options
        if options.image_px is None:
            return chunks.astype(np.float16)
        size_px = base.height_width(options.image_px)
        rows, columns = (stretch_weights(length, px) for length, px in zip(chunks.shape[1:], size_px, strict=True))
        return apply_colormap((rows @ chunks @ columns.T)[:, ::-1], options.floor_db, options.colour)
