"""Eyes, brows and mouth for one frame, drawn on a still head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affectstore.corpora.synthetic._emotions import Expression
from affectstore.corpora.synthetic._head import CENTRE_X, CENTRE_Y
from affectstore.corpora.synthetic._pen import ZOOM, darken, disc, fill, mix, oval, shift_points, stroke
from affectstore.corpora.synthetic._speaker import Speaker


@dataclass(frozen=True)
class Moment:
    """State of a face in one frame.

    Attributes:
        strength: Share of the expression that is shown, 0 to 1.
        speech: Opening of the mouth by speech, 0 to 1.
        lid: 1 in a blink, 0 otherwise.
        gaze_x_px, gaze_y_px: Shift of the irises.
    """

    strength: float
    speech: float
    lid: float
    gaze_x_px: float
    gaze_y_px: float


def draw(head: np.ndarray, speaker: Speaker, look: Expression, now: Moment) -> np.ndarray:
    """Draw eyes, brows and mouth on a head.

    Args:
        head: uint8 (row, column, 3), from `_head.paint`; not changed.
        speaker: The speaker.
        look: Expression of the clip.
        now: State of the frame.

    Returns:
        uint8 (row, column, 3).
    """
    image = head.copy()
    bow_px = 5.0 * float(np.clip(look.bow * now.strength, -0.8, 1.2))
    for side in (-1, 1):
        _crease(image, speaker, look, now, side, bow_px)
        _eye(image, speaker, look, now, side, bow_px)
        _brow(image, speaker, look, now, side, bow_px)
    _mouth(image, speaker, look, now, bow_px)
    return image


def _eye(image: np.ndarray, speaker: Speaker, look: Expression, now: Moment, side: int, bow_px: float) -> None:
    x, y = CENTRE_X + side * speaker.eye_gap_px, CENTRE_Y - 10 + bow_px
    wide = 15.0 * speaker.eye_size
    opening = speaker.eye_open * float(np.clip(1 + 0.70 * look.eye * now.strength, 0.30, 1.75)) * (1 - now.lid)
    squint = float(np.clip(look.lower_lid * now.strength, -0.2, 1.0))
    above = 9.0 * speaker.eye_size * opening
    below = 6.0 * speaker.eye_size * min(opening, 1.25) * (1 - 0.62 * squint)
    droop = 2.2 * float(np.clip(-look.brow_outer * now.strength, -0.6, 1.0))
    place = np.linspace(-1, 1, 17)
    bulge = np.clip(1 - place**2, 0, 1) ** 0.75
    base = y + droop * side * place
    upper = np.stack([x + wide * place, base - above * bulge], 1)
    lower = np.stack([x + wide * place, base + below * bulge], 1)
    if opening > 0.12:
        _eyeball(image, speaker, now, (x, y), np.concatenate([upper, lower[::-1]]))
    stroke(image, lower, darken(speaker.skin, 0.60), 1.0)
    stroke(image, upper, (26, 18, 18), 2.0)
    fold = shift_points(upper[2:-2], 0, -3.2 - 1.2 * min(opening, 1.2))
    stroke(image, fold, darken(speaker.skin, 0.66), 1.0)
    if squint > 0.25:
        bag = np.stack([x + 0.9 * wide * place[3:-3], y + below + 4.0 + 2.5 * bulge[3:-3]], 1)
        stroke(image, bag, darken(speaker.skin, 0.70), 1.2)


def _eyeball(
    image: np.ndarray, speaker: Speaker, now: Moment, centre: tuple[float, float], outline: np.ndarray
) -> None:
    x, y = centre
    left, right = int((x - 20) * ZOOM), int((x + 20) * ZOOM)
    top, bottom = int((y - 20) * ZOOM), int((y + 14) * ZOOM)
    window = image[top:bottom, left:right]
    mask = np.zeros(window.shape[:2], np.uint8)
    ball = np.empty_like(window)
    ball[:] = (238, 234, 230)
    origin = np.array([left, top]) / ZOOM
    fill(mask, outline - origin, 255.0)
    at_x, at_y = x + now.gaze_x_px - origin[0], y - 1.0 + now.gaze_y_px - origin[1]
    disc(ball, at_x, at_y, 7.4 * speaker.eye_size, darken(speaker.iris, 0.55))
    disc(ball, at_x, at_y, 6.4 * speaker.eye_size, speaker.iris)
    disc(ball, at_x, at_y, 3.2 * speaker.eye_size, (14, 12, 14))
    disc(ball, at_x - 2.2, at_y - 2.4, 1.5, (250, 250, 250))
    share = mask[..., None].astype(np.float32) / 255
    window[:] = (window * (1 - share) + ball * share).astype(np.uint8)


def _brow(image: np.ndarray, speaker: Speaker, look: Expression, now: Moment, side: int, bow_px: float) -> None:
    inner = float(np.clip(look.brow_inner * now.strength, -1.3, 1.4))
    outer = float(np.clip(look.brow_outer * now.strength, -1.2, 1.3))
    frown = float(np.clip(look.frown * now.strength, 0, 1.2))
    place = np.linspace(0, 1, 13)
    start, length = speaker.eye_gap_px - 15.5 - 3.0 * frown, 35.0
    rest = CENTRE_Y - 30 + bow_px - 3.0 * speaker.brow_rest
    arch = -4.0 * np.sin(np.pi * place) * (1 - 0.5 * frown)
    height = rest - 10.0 * inner * (1 - place) ** 1.2 - 9.0 * outer * place + arch
    thick = speaker.brow_px * (1.1 - 0.65 * place)
    across = CENTRE_X + side * (start + length * place)
    outline = np.concatenate(
        [np.stack([across, height - thick / 2], 1), np.stack([across, height + thick / 2], 1)[::-1]]
    )
    colour = mix(darken(speaker.hair, 0.5), darken(speaker.skin, 0.25), 0.5)
    fill(image, outline, colour)
    if frown > 0.3:
        crease = np.array([(side * 4.0, -34.0), (side * 3.0, -26.0), (side * 3.6, -20.0)])
        stroke(image, shift_points(crease, CENTRE_X, CENTRE_Y + bow_px), darken(speaker.skin, 0.86 - 0.24 * frown), 1.3)


def _crease(image: np.ndarray, speaker: Speaker, look: Expression, now: Moment, side: int, bow_px: float) -> None:
    """Draw the line from the nose to the mouth's corner, and wrinkles beside the nose."""
    sneer = float(np.clip(look.sneer * now.strength, 0, 1.2))
    if sneer < 0.15:
        return
    colour = darken(speaker.skin, 0.90 - 0.28 * sneer)
    line = np.array([(13.0, 24.0), (20.0, 30.0), (27.0, 40.0), (29.0, 48.0)]) * (side, 1)
    stroke(image, shift_points(line, CENTRE_X, CENTRE_Y + bow_px), colour, 1.6)
    if sneer > 0.55:
        for low in (2.0, 7.0):
            wrinkle = np.array([(3.0, low), (7.0, low - 2.5), (10.0, low - 1.5)]) * (side, 1)
            stroke(image, shift_points(wrinkle, CENTRE_X, CENTRE_Y + bow_px), colour, 1.2)


def _mouth(image: np.ndarray, speaker: Speaker, look: Expression, now: Moment, bow_px: float) -> None:
    strength = now.strength
    corner = float(np.clip(look.corner * strength, -1.4, 1.4))
    raised = float(np.clip(look.upper_lip * strength, -0.1, 1.3))
    opening = float(np.clip(look.open * strength, 0, 0.9)) + 0.62 * now.speech
    x, y = CENTRE_X, CENTRE_Y + 54 + bow_px
    half = speaker.mouth_px * (1 + 0.34 * float(np.clip(look.width * strength, -0.8, 1.2)) - 0.10 * opening)
    place = np.linspace(-1, 1, 25)
    round_off = np.clip(1 - place**2, 0, 1)
    middle = y - 10.0 * corner * (place**2 - 0.40)
    above = (5.0 * opening + 4.5 * max(raised, 0)) * round_off**0.6
    below = 15.0 * opening * round_off**0.7
    bow = 1 - 0.35 * np.exp(-((place / 0.16) ** 2))
    lip_above = 4.6 * round_off**0.6 * bow
    lip_below = 6.6 * round_off**0.6
    across = x + half * place
    lips = mix(speaker.skin, (164, 58, 64), 0.62)
    upper_edge = np.stack([across, middle - above - lip_above], 1)
    upper_inner = np.stack([across, middle - above], 1)
    lower_inner = np.stack([across, middle + below], 1)
    lower_edge = np.stack([across, middle + below + lip_below], 1)
    fill(image, np.concatenate([upper_edge, lower_edge[::-1]]), lips)
    fill(image, np.concatenate([upper_edge, upper_inner[::-1]]), darken(lips, 0.86))
    gap = (above + below)[:, None]
    if gap.max() > 1.5:
        fill(image, np.concatenate([upper_inner, lower_inner[::-1]]), (52, 18, 22))
        shown = float(np.clip(look.teeth * strength, 0, 1))
        size = (2.5 + 5.0 * shown) * (round_off**0.5)[:, None]
        teeth = upper_inner + np.concatenate([np.zeros_like(gap), np.minimum(size, 0.85 * gap)], 1)
        fill(
            image,
            np.concatenate([upper_inner, teeth[::-1]]),
            mix((238, 234, 226), (120, 96, 92), 0.45 - 0.4 * shown),
        )
        if below.max() > 8:
            fill(image, oval(x, y + below.max() * 0.82, half * 0.42, below.max() * 0.24), (150, 70, 72))
    line = (upper_inner + lower_inner) / 2 if gap.max() <= 1.5 else upper_inner
    stroke(image, line, darken(lips, 0.45), 1.4)
    for side, end in ((-1, 0), (1, -1)):
        tip = np.array([(0.0, 0.0), (side * 3.0, -2.2 * corner)]) + upper_inner[end]
        stroke(image, tip, darken(speaker.skin, 0.55), 1.6)
    stroke(image, shift_points(lower_edge[6:-6], 0, 2.0), darken(speaker.skin, 0.78), 1.2)
