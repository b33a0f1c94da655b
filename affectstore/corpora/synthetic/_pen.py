"""Anti-aliased drawing with sub-pixel coordinates on an image of twice the canonical size."""

from __future__ import annotations

import cv2
import numpy as np

#: Size of the canonical image: all lengths of a face are in its pixels.
WIDTH_PX, HEIGHT_PX = 320, 240
#: Heads are drawn larger by this factor, and scaled down when they are placed.
ZOOM = 2

_SHIFT = 4
_FIXED = ZOOM * 2**_SHIFT

Colour = tuple[float, float, float]


def fill(image: np.ndarray, points: np.ndarray, colour: Colour | float) -> None:
    """Fill a polygon, points float (point, 2) in canonical pixels."""
    cv2.fillPoly(image, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)  # type: ignore[call-overload]


def stroke(image: np.ndarray, points: np.ndarray, colour: Colour, width_px: float) -> None:
    """Draw an open line through points, float (point, 2) in canonical pixels."""
    thickness = max(1, round(width_px * ZOOM))
    cv2.polylines(image, [_fixed(points)], False, colour, thickness, cv2.LINE_AA, _SHIFT)


def disc(image: np.ndarray, x: float, y: float, radius_px: float, colour: Colour) -> None:
    """Fill a circle, in canonical pixels."""
    centre = (round(x * _FIXED), round(y * _FIXED))
    cv2.circle(image, centre, round(radius_px * _FIXED), colour, -1, cv2.LINE_AA, _SHIFT)


def shift_points(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """Shift points, float (point, 2), right by x and down by y."""
    return np.asarray(points) + np.array([x, y])


def oval(x: float, y: float, half_width: float, half_height: float, taper: float = 0.0) -> np.ndarray:
    """Return the outline of an ellipse whose lower half narrows by `taper` towards its end, float (64, 2)."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    down = np.clip(np.sin(angle), 0, 1)
    return np.stack([x + half_width * np.cos(angle) * (1 - taper * down**1.5), y + half_height * np.sin(angle)], 1)


def glow(x: float, y: float, sigma_x: float, sigma_y: float) -> np.ndarray:
    """Compute a Gaussian spot of height 1 in the enlarged image, float32 (row, column)."""
    columns = (np.arange(WIDTH_PX * ZOOM, dtype=np.float32) + 0.5) / ZOOM
    rows = (np.arange(HEIGHT_PX * ZOOM, dtype=np.float32) + 0.5) / ZOOM
    across = np.exp(-0.5 * ((columns - x) / sigma_x) ** 2)
    down = np.exp(-0.5 * ((rows - y) / sigma_y) ** 2)
    return down[:, None] * across[None, :]


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Mix `colour` with a share of another."""
    red, green, blue = (a + share * (b - a) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def darken(colour: Colour, factor: float) -> Colour:
    """Multiply `colour` by a factor."""
    red, green, blue = (value * factor for value in colour)
    return red, green, blue


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * _FIXED).astype(np.int32)
