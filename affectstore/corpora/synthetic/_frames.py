"""Frames of a clip: a head that talks, blinks and moves, recorded by an imperfect camera."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from affectstore.corpora.synthetic._emotions import Expression
from affectstore.corpora.synthetic._face import Moment, draw
from affectstore.corpora.synthetic._head import CENTRE_X, CENTRE_Y, paint
from affectstore.corpora.synthetic._pen import HEIGHT_PX, WIDTH_PX, ZOOM
from affectstore.corpora.synthetic._speaker import Speaker


def render_frames(
    speaker: Speaker, look: Expression, speech: np.ndarray, fps: int, size_px: tuple[int, int], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Render frames, uint8 (row, column, 3), RGB.

    Args:
        speaker: The speaker.
        look: The expression.
        speech: float (frame,), opening of the mouth by speech in each frame, 0 to 1.
        fps: Frames per second.
        size_px: Width and height.
        rng: Generator of movements, camera and light.
    """
    cv2.setNumThreads(1)
    frames = len(speech)
    time_s = np.arange(frames) / fps
    strength = np.clip(0.55 + 0.45 * time_s / 0.35, 0, 1) * (1 + 0.06 * _wander(time_s, 0.9, rng))
    lids = _blinks(time_s, rng)
    mouth = np.convolve(np.pad(speech, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    lively = float(np.clip(1 + 0.8 * look.bounce, 0.3, 2))
    sway_x, sway_y = 2.6 * lively * _wander(time_s, 0.7, rng), 1.8 * lively * _wander(time_s, 1.1, rng)
    roll = 1.6 * lively * _wander(time_s, 0.6, rng) + rng.normal(0, 1.5)
    gaze_x, gaze_y = 1.2 * _wander(time_s, 0.5, rng), 0.6 * _wander(time_s, 0.5, rng) + 1.8 * look.bow
    here_x, here_y, size = rng.normal(0, 4), rng.normal(0, 2), 1 + 0.02 * rng.standard_normal()

    layers = paint(speaker, float(np.clip(look.flush, -0.8, 1.2)))
    zoom = size_px[1] / HEIGHT_PX
    back = cv2.resize(layers.back, (round(WIDTH_PX * zoom), size_px[1]), interpolation=cv2.INTER_AREA)
    back = _centred(back, size_px[0])
    camera = _Camera.at_random(size_px, rng)
    for k in range(frames):
        moment = Moment(float(strength[k]), float(mouth[k]), float(lids[k]), float(gaze_x[k]), float(gaze_y[k]))
        head = draw(layers.head, speaker, look, moment)
        scale = size * float(np.clip(1 + 0.07 * look.lean * strength[k], 0.9, 1.1))
        turn = cv2.getRotationMatrix2D((CENTRE_X * ZOOM, CENTRE_Y * ZOOM), float(roll[k]), scale * zoom / ZOOM)
        turn[0, 2] += size_px[0] / 2 - CENTRE_X * ZOOM + zoom * (here_x + sway_x[k])
        turn[1, 2] += zoom * (CENTRE_Y + here_y + sway_y[k] + 7 * look.bow - 1.5 * mouth[k]) - CENTRE_Y * ZOOM
        placed = cv2.warpAffine(head, turn, size_px, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(layers.alpha, turn, size_px, flags=cv2.INTER_LINEAR)
        share = cover.astype(np.float32)[..., None] * np.float32(1 / 255)
        yield camera.record(back + (placed.astype(np.float32) - back) * share, rng)


class _Camera:
    """Exposure, colour cast, blur and grain of one clip."""

    def __init__(self, gain: np.ndarray, blur_px: float, grain: np.ndarray):
        self._gain, self._blur_px, self._grain = gain, blur_px, grain

    @classmethod
    def at_random(cls, size_px: tuple[int, int], rng: np.random.Generator) -> _Camera:
        gain = np.clip(rng.normal(0.97, 0.04) + rng.normal(0, 0.012, 3), 0.75, 1.12).astype(np.float32)
        std = rng.uniform(2.0, 5.0)
        width, height = size_px
        grain = (std * rng.standard_normal((height + 32, width + 32, 1), np.float32)).astype(np.float32)
        return cls(gain, rng.uniform(0.5, 0.9), np.repeat(grain, 3, axis=2))

    def record(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Convert a float image to a frame, uint8 (row, column, 3)."""
        rows, columns = image.shape[:2]
        top, left = rng.integers(32, size=2)
        blurred = cv2.GaussianBlur(image * self._gain, (0, 0), self._blur_px)
        grain = self._grain[top : top + rows, left : left + columns]
        return cv2.add(blurred, grain, dtype=cv2.CV_8U)  # rounds and saturates


def mouth_opening(voice: np.ndarray, frames: int) -> np.ndarray:
    """Compute the opening of the mouth, float (frame,), 0 to 1, from the loudness of speech, float (sample,)."""
    parts = voice[: len(voice) // frames * frames].reshape(frames, -1).astype(np.float64)
    level = np.sqrt(np.mean(parts**2, axis=1))
    return np.clip(level / max(float(np.percentile(level, 92)), 1e-6), 0, 1) ** 0.7


def _wander(time_s: np.ndarray, hz: float, rng: np.random.Generator) -> np.ndarray:
    """Sample a smooth movement of about unit size, float (frame,)."""
    phase = rng.uniform(0, 2 * np.pi, 2)
    pace = hz * rng.uniform(0.7, 1.3, 2) * (1, 1.9)
    return 0.7 * np.sin(2 * np.pi * pace[0] * time_s + phase[0]) + 0.4 * np.sin(2 * np.pi * pace[1] * time_s + phase[1])


def _blinks(time_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sample blinks, float (frame,): 1 in the middle of a blink of 0.2 s, one every two to four seconds."""
    closed = np.zeros(len(time_s))
    at = rng.uniform(0.2, 3.0)
    while at < (time_s[-1] if len(time_s) else 0):
        closed = np.maximum(closed, np.clip(1.25 - np.abs(time_s - at) / 0.08, 0, 1))
        at += rng.uniform(2.0, 4.0)
    return closed


def _centred(image: np.ndarray, width: int) -> np.ndarray:
    """Crop or widen an image around its middle."""
    extra = width - image.shape[1]
    if extra <= 0:
        left = -extra // 2
        return np.ascontiguousarray(image[:, left : left + width])
    return cv2.copyMakeBorder(image, 0, 0, extra // 2, extra - extra // 2, cv2.BORDER_REPLICATE)
