"""Parts of an image that do not move with the expression: wall, shoulders, head, hair, nose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from affectstore.corpora.synthetic._pen import (
    HEIGHT_PX,
    WIDTH_PX,
    ZOOM,
    darken,
    disc,
    fill,
    glow,
    mix,
    oval,
    shift_points,
    stroke,
)
from affectstore.corpora.synthetic._speaker import Speaker

#: Middle of the head in the canonical image.
CENTRE_X, CENTRE_Y = 160.0, 124.0


@dataclass(frozen=True)
class Layers:
    """Images of the canonical size times ZOOM, RGB.

    Attributes:
        back: Wall and shoulders, uint8 (row, column, 3).
        head: Head without eyes, brows and mouth, uint8 (row, column, 3).
        alpha: Opacity of the head, uint8 (row, column).
    """

    back: np.ndarray
    head: np.ndarray
    alpha: np.ndarray


def paint(speaker: Speaker, flush: float) -> Layers:
    """Draw the still layers of a speaker.

    Args:
        speaker: The speaker.
        flush: Red in the cheeks, about -1 to 1.
    """
    shape = (HEIGHT_PX * ZOOM, WIDTH_PX * ZOOM)
    head = np.zeros((*shape, 3), np.uint8)
    head[:] = np.array(speaker.hair, np.uint8)
    alpha = np.zeros(shape, np.uint8)
    _hair_behind(head, alpha, speaker)
    skull = oval(CENTRE_X, CENTRE_Y, speaker.half_width_px, speaker.half_height_px, taper=0.20)
    for side in (-1, 1):
        ear = oval(CENTRE_X + side * (speaker.half_width_px - 1), CENTRE_Y + 4, 8, 16)
        fill(head, ear, darken(speaker.skin, 0.86))
        fill(alpha, ear, 255.0)
    face = np.zeros(shape, np.uint8)
    fill(face, skull, 255.0)
    fill(alpha, skull, 255.0)
    skin = _shaded(speaker, flush)
    weight = face[..., None].astype(np.float32) / 255
    head = np.clip(head * (1 - weight) + skin * weight, 0, 255).astype(np.uint8)
    _nose(head, speaker)
    _hair_before(head, alpha, speaker)
    return Layers(_back(speaker), head, alpha)


def _shaded(speaker: Speaker, flush: float) -> np.ndarray:
    """Compute skin under light from the upper left, float32 (row, column, 3)."""
    columns = (np.arange(WIDTH_PX * ZOOM, dtype=np.float32) / ZOOM - CENTRE_X) / speaker.half_width_px
    rows = (np.arange(HEIGHT_PX * ZOOM, dtype=np.float32) / ZOOM - CENTRE_Y) / speaker.half_height_px
    radius = np.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)
    light = 1.03 - 0.34 * np.clip(radius, 0, 1.1) ** 3 - 0.07 * columns[None, :] - 0.04 * rows[:, None]
    gap, nose = speaker.eye_gap_px, speaker.nose
    for side in (-1, 1):
        light -= 0.20 * glow(CENTRE_X + side * gap, CENTRE_Y - 13, 17, 10)
        light += 0.06 * glow(CENTRE_X + side * (gap + 4), CENTRE_Y + 20, 12, 9)
    light += 0.10 * glow(CENTRE_X - 1, CENTRE_Y + 8, 4 * nose, 16)
    light -= 0.13 * glow(CENTRE_X + 9 * nose, CENTRE_Y + 14, 4, 14)
    light -= 0.10 * glow(CENTRE_X, CENTRE_Y + 37, 11, 4)
    light -= 0.10 * glow(CENTRE_X, CENTRE_Y + 70, 14, 4)
    colour = np.array(speaker.skin, np.float32) * light[..., None]
    red = glow(CENTRE_X - gap - 5, CENTRE_Y + 24, 15, 12) + glow(CENTRE_X + gap + 5, CENTRE_Y + 24, 15, 12)
    colour += (0.35 + flush) * red[..., None] * np.array([24, -22, -16], np.float32)
    if speaker.beard:
        shadow = glow(CENTRE_X, CENTRE_Y + 66, 38, 22) + 0.6 * glow(CENTRE_X, CENTRE_Y + 38, 18, 4)
        share = (speaker.beard * np.clip(shadow, 0, 1))[..., None]
        colour = colour * (1 - share) + np.array(speaker.hair, np.float32) * share
    return colour


def _nose(head: np.ndarray, speaker: Speaker) -> None:
    x, y, size = CENTRE_X, CENTRE_Y + 27, speaker.nose
    side = np.array([(4.5, -30), (6.5, -16), (11, -4), (11.5, 2), (7, 5)]) * (size, 1)
    stroke(head, shift_points(side, x, y), darken(speaker.skin, 0.80), 1.0)
    tip = np.array([(-11, 1), (-8, 5.5), (-3, 5), (0, 7), (3, 5), (8, 5.5), (11, 1)]) * (size, 1)
    stroke(head, shift_points(tip, x, y), darken(speaker.skin, 0.66), 1.5)
    for where in (-5.5, 5.5):
        fill(head, oval(x + where * size, y + 3.6, 3.0 * size, 1.7), darken(speaker.skin, 0.34))


def _hair_behind(head: np.ndarray, alpha: np.ndarray, speaker: Speaker) -> None:
    across, up = speaker.half_width_px, speaker.half_height_px
    shade = darken(speaker.hair, 0.8)
    shapes = [oval(CENTRE_X, CENTRE_Y - 12, across + 8, up)]
    if speaker.cut == "long":
        shapes.append(oval(CENTRE_X, CENTRE_Y + 26, across + 15, up + 2))
    elif speaker.cut == "bun":
        shapes.append(oval(CENTRE_X, CENTRE_Y - up - 10, 22, 18))
    elif speaker.cut == "curls":
        for angle in np.linspace(np.pi, 2 * np.pi, 13):
            shapes.append(oval(CENTRE_X + across * np.cos(angle), CENTRE_Y - 14 + (up - 4) * np.sin(angle), 15, 15))
    for points in shapes:
        if speaker.cut != "curls" and points is shapes[0]:
            points = points[points[:, 1] < CENTRE_Y + 6]
        fill(head, points, shade)
        fill(alpha, points, 255.0)


def _hair_before(head: np.ndarray, alpha: np.ndarray, speaker: Speaker) -> None:
    """Draw the hair between the skull's top and a curve across the forehead."""
    across, up = speaker.half_width_px + 3, speaker.half_height_px + 3
    place = np.linspace(-1, 1, 25)
    low = {
        "short": -0.62 + 0.42 * np.abs(place) ** 4,
        "long": -0.66 + 0.62 * np.abs(place) ** 3,
        "parted": -0.74 + 0.16 * place + 0.42 * np.abs(place + 0.25) ** 3,
        "curls": -0.64 + 0.05 * np.cos(place * 20) + 0.36 * np.abs(place) ** 4,
        "bun": -0.72 + 0.50 * np.abs(place) ** 4,
    }[speaker.cut]
    low = np.clip(low, -0.95, 0.05)
    line = np.stack([CENTRE_X + across * place * np.sqrt(1 - low**2), CENTRE_Y + up * low], 1)
    top = np.stack([CENTRE_X + across * place, CENTRE_Y - up * np.sqrt(np.clip(1 - place**2, 0, 1))], 1)
    cap = np.concatenate([line, top[::-1]])
    fill(head, cap, speaker.hair)
    fill(alpha, cap, 255.0)
    for share in np.linspace(-0.75, 0.75, 9):
        row = np.searchsorted(place, share)
        strand = np.stack([line[row] + (0, -3), (line[row] + top[row]) / 2 + (4 * share, 0), top[row] + (0, 4)])
        stroke(head, strand, mix(speaker.hair, (255, 240, 220), 0.13), 1.0)


def _back(speaker: Speaker) -> np.ndarray:
    rows = np.linspace(1.12, 0.80, HEIGHT_PX * ZOOM, dtype=np.float32)[:, None, None]
    columns = np.linspace(1.06, 0.92, WIDTH_PX * ZOOM, dtype=np.float32)[None, :, None]
    back = np.clip(rows * columns * np.array(speaker.wall, np.float32), 0, 255).astype(np.uint8)
    broad = 112 if speaker.sex == "male" else 98
    fill(back, oval(CENTRE_X, 276, broad, 62), speaker.shirt)
    stroke(back, oval(CENTRE_X, 276, broad, 62)[33:63], darken(speaker.shirt, 0.75), 1.5)
    neck = np.array([(-31, 170), (31, 170), (34, 214), (46, 226), (0, 246), (-46, 226), (-34, 214)])
    fill(back, shift_points(neck, CENTRE_X, 0), darken(speaker.skin, 0.74))
    fill(back, oval(CENTRE_X, 206, 34, 20), darken(speaker.skin, 0.58))
    disc(back, CENTRE_X, 246, 7, darken(speaker.shirt, 0.8))
    return cv2.GaussianBlur(back, (0, 0), 1.2)
