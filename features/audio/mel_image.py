"""The mel spectrogram as one image, low frequencies at the bottom.

The image is a plot of the spectrogram without axes, computed instead of plotted: every pixel is the
mean of the spectrogram under it, 0 dB is white (or the top of the colour map) and `floor_db` black.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.features.audio._colormap import Colormap, apply_colormap, stretch_weights
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid, resample, rows_covering

SPEC = base.Spec(
    name="mel_image",
    version=1,
    summary="mel spectrogram of the clip as one picture",
    modality="audio",
    needs=("mel",),
    libraries=("opencv-python-headless",),
)


class Options(base.Options):
    """Options of `mel_image`."""

    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"colour": {"grey": "grayscale"}}

    time: Literal["stretched", "fixed"] = Field(
        default="stretched",
        description="stretched: the clip fills the width, whatever its duration; fixed: the width is `width_s`, and "
        "the floor fills the rest.",
    )
    width_s: float = Field(default=5.0, gt=0, description="Duration of the width, under `time: fixed`.")
    size_px: int = Field(default=224, ge=1, le=4096, description="Side of the square image.")
    colour: Colormap = Field(default="grayscale", description="grayscale (one channel) or a colour map (RGB).")
    floor_db: float = Field(default=-80.0, lt=0, description="Level of black; 0 dB is white.")


class Extractor(base.BaseExtractor):
    """Scaling of the clip's spectrogram to an image."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: uint8 (1, size, size[, 3]); `filled_px`: int32 (1,), columns from the left with audio."""
        return (
            base.image_spec("clip", base.height_width(self.options.size_px), self.options.colour, "none"),
            ArraySpec("filled_px", "int32", ("clip",), unit="px"),
        )

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute one row, which spans the spectrogram.

        Raises:
            ClipError: Under `time: fixed`, the clip is longer than the image is wide.
        """
        options, mel = self.options, clip.upstream["mel"]
        level_db, grid = mel.arrays["values"], mel.grid
        if grid is None:
            raise ClipError("the spectrogram has no constant rate")
        start, end = grid.start, grid.edge(len(level_db))
        size, filled = options.size_px, options.size_px
        if options.time == "fixed":
            px_per_s = size / Fraction(str(options.width_s))
            filled = rows_covering(end - start, px_per_s)
            if filled > size:
                raise ClipError(
                    f"lasts {float(end - start):.3f} s, but the picture is {options.width_s} s wide: "
                    "raise width_s of mel_image"
                )
            columns = resample(level_db, grid, (start, start + filled / px_per_s), filled)
        else:
            columns = resample(level_db, grid, (start, end), size)
        image_db = np.full((size, size), options.floor_db)
        image_db[:, :filled] = (columns @ stretch_weights(level_db.shape[1], size).T).T[::-1]
        image = apply_colormap(image_db, options.floor_db, options.colour)
        return ClipArrays(
            {"values": image[None], "filled_px": np.array([filled], dtype=np.int32)}, Grid(start, 1 / (end - start))
        )
