"""Images of levels in dB: colour maps and scaling."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Literal

import numpy as np

from affectstore.timeline import Grid, overlap_weights

Colormap = Literal["grayscale", "magma", "viridis", "inferno", "plasma", "cividis", "turbo"]


def stretch_weights(length: int, size_px: int) -> np.ndarray:
    """Compute weights that stretch `length` cells to `size_px` pixels: float64 (size, length)."""
    return overlap_weights(Grid(Fraction(0), Fraction(1)), length, (Fraction(0), Fraction(length)), size_px)


def apply_colormap(level_db: np.ndarray, floor_db: float, colour: Colormap) -> np.ndarray:
    """Map levels to pixels: `floor_db` and less to the dark end of the map, 0 dB to the bright one.

    Returns:
        uint8, of the shape of `level_db`, with an axis of RGB behind it unless `colour` is grayscale.
    """
    gray = np.rint(np.clip(1 - level_db / floor_db, 0, 1) * 255).astype(np.uint8)
    return gray if colour == "grayscale" else _map(colour)[gray]


@cache
def _map(colour: Colormap) -> np.ndarray:
    """Compute a colour map, uint8 (256, 3) RGB. OpenCV's tables equal matplotlib's to the bit."""
    import cv2

    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], getattr(cv2, f"COLORMAP_{colour.upper()}"))
    return np.ascontiguousarray(table[:, 0, ::-1])
