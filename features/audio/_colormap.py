"""Levels in dB as gray levels or colours."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np

Colormap = Literal["grey", "magma", "viridis", "inferno", "plasma", "cividis", "turbo"]


def channel_dims(colour: Colormap) -> tuple[int, ...]:
    """List the lengths of the axes after height and width: none for grey, 3 for RGB."""
    return () if colour == "grey" else (3,)


def apply_colormap(level_db: np.ndarray, floor_db: float, colour: Colormap) -> np.ndarray:
    """Map levels to pixels: `floor_db` and less to the dark end of the map, 0 dB to the bright one.

    Returns:
        uint8, of the shape of `level_db`, with an axis of RGB behind it unless `colour` is grey.
    """
    grey = np.rint(np.clip(1 - level_db / floor_db, 0, 1) * 255).astype(np.uint8)
    return grey if colour == "grey" else _map(colour)[grey]


@cache
def _map(colour: Colormap) -> np.ndarray:
    """Compute a colour map, uint8 (256, 3) RGB. OpenCV's tables equal matplotlib's to the bit."""
    import cv2

    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], getattr(cv2, f"COLORMAP_{colour.upper()}"))
    return np.ascontiguousarray(table[:, 0, ::-1])
