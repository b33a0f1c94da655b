"""Synthetic faces that MTCNN finds, the same to the bit everywhere, and lossless videos of given frames."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np

_SCALE = 4
_BACKGROUND = (96, 128, 112)


def face_picture(
    width: int = 320, height: int = 240, centre: tuple[float, float] = (0.5, 0.5), head_px: float = 120
) -> np.ndarray:
    """Draw a head over neck and shoulders, uint8 (height, width, 3).

    Args:
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
        centre: Centre of the head, as fractions of width and height.
        head_px: Width of the head.
    """
    canvas = np.empty((height * _SCALE, width * _SCALE, 3), dtype=np.uint8)
    canvas[:] = _BACKGROUND
    unit = head_px * _SCALE / 120
    middle = centre[0] * width * _SCALE, centre[1] * height * _SCALE

    def ellipse(x: float, y: float, w: float, h: float, colour: tuple[int, int, int]) -> None:
        _ellipse(canvas, middle[0] + x * unit, middle[1] + y * unit, w * unit, h * unit, colour)

    ellipse(0, 170, 130, 80, (60, 60, 110))
    ellipse(0, 80, 28, 45, (190, 140, 115))
    ellipse(0, -14, 66, 82, (60, 40, 30))
    ellipse(0, 0, 60, 80, (222, 175, 148))
    ellipse(0, 20, 50, 62, (229, 183, 156))
    for side in (-1, 1):
        ellipse(side * 24, -12, 15, 9, (190, 140, 118))
        ellipse(side * 24, -11, 11, 5, (245, 245, 245))
        ellipse(side * 24, -11, 5, 5, (80, 60, 40))
        ellipse(side * 24, -11, 2, 2, (10, 10, 10))
        ellipse(side * 24, -17, 12, 2, (110, 70, 55))
        ellipse(side * 24, -29, 15, 3, (60, 40, 30))
        ellipse(side * 6, 24, 3, 2, (130, 85, 70))
    ellipse(0, 10, 6, 18, (214, 165, 138))
    ellipse(0, 22, 10, 6, (212, 160, 134))
    ellipse(0, 46, 22, 8, (180, 90, 85))
    ellipse(0, 46, 15, 3, (90, 35, 35))
    small = canvas.reshape(height, _SCALE, width, _SCALE, 3).sum(axis=(1, 3), dtype=np.int64) // _SCALE**2
    return np.clip(_blurred(small) + _noise(height, width)[:, :, None], 0, 255).astype(np.uint8)


def lossless_video(path: Path, pictures: np.ndarray, fps: int = 25, pixels: str = "rgb24") -> Path:
    """Write frames as FFV1 in yuv420p.

    Args:
        path: File to write; its suffix chooses the container (avi keeps exact times, mkv milliseconds).
        pictures: Frames: uint8 (frame, height, width, 3) RGB, or (frame, height * 3 / 2, width) planes of yuv420p.
        fps: Frames per second.
        pixels: "rgb24" or "yuv420p".
    """
    height, width = pictures.shape[1:3]
    height = height if pixels == "rgb24" else height * 2 // 3
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", pixels]
    command += ["-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    command += ["-sws_flags", "area+accurate_rnd+bitexact", "-c:v", "ffv1", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=pictures.tobytes(), check=True)
    return path


def _ellipse(canvas: np.ndarray, x: float, y: float, w: float, h: float, colour: tuple[int, int, int]) -> None:
    top, bottom = max(int(y - h), 0), max(int(y + h) + 1, 0)
    left, right = max(int(x - w), 0), max(int(x + w) + 1, 0)
    part = canvas[top:bottom, left:right]
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    part[((columns - x) / w) ** 2 + ((rows - y) / h) ** 2 <= 1] = colour


def _blurred(picture: np.ndarray) -> np.ndarray:
    """Blur with the weights 1 2 1 along rows and columns."""
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) // 16


def _noise(height: int, width: int) -> np.ndarray:
    """Integers from -3 to 3 that follow from the position alone."""
    y, x = np.mgrid[:height, :width].astype(np.uint64)
    mixed = (x * np.uint64(73856093)) ^ (y * np.uint64(19349663)) ^ np.uint64(0x9E3779B9)
    mixed = (mixed * np.uint64(2654435761)) >> np.uint64(16)
    return (mixed % np.uint64(7)).astype(np.int64) - 3
