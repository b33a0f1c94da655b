"""Drawn faces that MTCNN finds, and lossless videos of given pictures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np


def face_picture(
    width: int = 320, height: int = 240, centre: tuple[float, float] = (0.5, 0.5), head_px: float = 120
) -> np.ndarray:
    """A shaded head over neck and shoulders, uint8 (height, width, 3).

    Args:
        width, height: of the picture in px.
        centre: of the head, in parts of width and height.
        head_px: width of the head.
    """
    import cv2

    scale = 4
    canvas = np.full((height * scale, width * scale, 3), (96, 128, 112), dtype=np.uint8)
    unit = head_px * scale / 120
    cx, cy = centre[0] * width * scale, centre[1] * height * scale

    def ellipse(x: float, y: float, w: float, h: float, colour: tuple[int, int, int]) -> None:
        middle = (int(cx + x * unit), int(cy + y * unit))
        cv2.ellipse(canvas, middle, (int(w * unit), int(h * unit)), 0, 0, 360, colour, -1, cv2.LINE_AA)

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
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), 0.8)
    noise = np.random.default_rng(0).normal(0, 2, blurred.shape)
    return np.clip(np.rint(blurred + noise), 0, 255).astype(np.uint8)


def lossless_video(path: Path, pictures: np.ndarray, fps: int = 25) -> Path:
    """Write RGB pictures, uint8 (frame, height, width, 3), as FFV1, which gives the same yuv420p everywhere."""
    height, width = pictures.shape[1:3]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    command += ["-sws_flags", "area+accurate_rnd+bitexact", "-c:v", "ffv1", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=pictures.tobytes(), check=True)
    return path
