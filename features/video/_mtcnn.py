"""MTCNN (Zhang et al. 2016) as facenet-pytorch 2.6.0 ships it, weights included, behind one function.

Detector time goes mostly into the search for small faces, so the smallest face can follow the
picture's size. It is a step of the detector's own pyramid of scales: the scales that are left are then
those of the default search, and so is the box: to a hundredth of a pixel in 96 % of the CREMA-D clips
tried, within 6 px in the rest. (A round number, 90 px, takes as long and moves every box.)
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affectstore.digest import digest, digest_file
from affectstore.errors import ConfigError

#: The automatic smallest face is at most this part of the picture's shorter side.
AUTO_FRACTION = 0.25

#: MTCNN's own default.
DEFAULT_MIN_FACE_PX = 20.0
_PYRAMID_FACTOR = 0.709


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Attributes:
        box: float (4,), x1 y1 x2 y2 in px.
        landmarks: float (5, 2), x y in px of left eye, right eye, nose, left and right corner of the mouth.
        probability: of the last stage; 0 where the face was not detected but interpolated.
    """

    box: np.ndarray
    landmarks: np.ndarray
    probability: float


class FaceDetector:
    """The three networks, loaded by the first detection.

    Args:
        thresholds: of the three stages.
        select: which of several faces counts.
    """

    def __init__(self, thresholds: Sequence[float], select: Literal["largest", "probability"]):
        self._thresholds = list(thresholds)
        self._select = select

    def detect(self, pixels: np.ndarray, min_face_px: float) -> list[Face | None]:
        """The face of each picture, or None where there is none.

        Args:
            pixels: uint8 (frame, height, width, 3) RGB.
            min_face_px: smallest face to look for.
        """
        if min(pixels.shape[1:3]) < min_face_px:
            return [None] * len(pixels)
        self._networks.min_face_size = min_face_px
        with _one_thread():
            boxes, probabilities, landmarks = self._networks.detect(pixels, landmarks=True)
        return [
            None if found is None else self._chosen(found, probability, points)
            for found, probability, points in zip(boxes, probabilities, landmarks, strict=True)
        ]

    @cached_property
    def _networks(self) -> Any:
        weights_folder()
        from facenet_pytorch import MTCNN

        return MTCNN(
            keep_all=True,
            thresholds=self._thresholds,
            factor=_PYRAMID_FACTOR,
            select_largest=self._select == "largest",
            device="cpu",
        )

    def _chosen(self, boxes: np.ndarray, probabilities: np.ndarray, landmarks: np.ndarray) -> Face:
        # The largest comes first where the largest is asked for; else the order is the detector's.
        first = 0 if self._select == "largest" else int(np.argmax(probabilities))
        return Face(
            np.asarray(boxes[first], dtype=np.float32),
            np.asarray(landmarks[first], dtype=np.float32),
            float(probabilities[first]),
        )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """The same boxes on any number of cores: sums split over threads differ in their last bits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def auto_min_face_px(height: int, width: int) -> float:
    """Smallest face to look for in a picture of this size: 79.15 px for 480 x 360.

    The largest of 20, 20/0.709, 20/0.709^2, ... that is at most a quarter of the shorter side.
    """
    smallest = DEFAULT_MIN_FACE_PX
    while smallest / _PYRAMID_FACTOR <= AUTO_FRACTION * min(height, width):
        smallest /= _PYRAMID_FACTOR
    return smallest


def weights_folder() -> Path:
    """Where facenet-pytorch keeps the weights; found without importing it, which would import torch.

    Raises:
        ConfigError: it is not installed.
    """
    found = importlib.util.find_spec("facenet_pytorch")
    if found is None or found.origin is None:
        raise ConfigError(
            "the extractor 'faces' needs facenet-pytorch, which is not installed: "
            "pip install --no-deps facenet-pytorch==2.6.0 (without --no-deps it would replace torch)"
        )
    return Path(found.origin).parent / "data"


def weights_digest() -> str:
    """Digest over the files of the three networks.

    Raises:
        ConfigError: facenet-pytorch is not installed, or lacks them.
    """
    files = [weights_folder() / f"{network}.pt" for network in ("pnet", "rnet", "onet")]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise ConfigError(f"facenet-pytorch is installed without its weights: {', '.join(missing)} missing")
    return digest([digest_file(file) for file in files])


def interpolated(faces: Sequence[Face | None], times_s: Sequence[float]) -> list[Face]:
    """Faces for all pictures: those in between on a straight line in time, those outside the nearest one.

    Args:
        faces: at least one of them found.
        times_s: when each picture is shown, rising.
    """
    known = [k for k, face in enumerate(faces) if face is not None]
    known_s = [times_s[k] for k in known]
    flat = np.array([np.append(face.box, face.landmarks) for face in faces if face is not None])
    filled = np.stack([np.interp(times_s, known_s, column) for column in flat.T], axis=1).astype(np.float32)
    return [
        face if face is not None else Face(values[:4], values[4:].reshape(5, 2), 0.0)
        for face, values in zip(faces, filled, strict=True)
    ]


def crop(pixels: np.ndarray, box: np.ndarray, size_px: int, margin_px: int) -> np.ndarray:
    """The box cut to whole pixels, with a margin, and scaled, as facenet-pytorch's `extract_face` does.

    Args:
        pixels: uint8 (height, width, 3).
        box: x1 y1 x2 y2 in px; parts outside the picture are cut off.
        size_px: side of the result.
        margin_px: pixels of the result that surround the box, both sides together; less than `size_px`.

    Returns:
        uint8 (size, size, 3).
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (float(edge) for edge in box)
    around_x = margin_px * (x2 - x1) / (size_px - margin_px) / 2
    around_y = margin_px * (y2 - y1) / (size_px - margin_px) / 2
    left, top = int(max(x1 - around_x, 0)), int(max(y1 - around_y, 0))
    right, bottom = int(min(x2 + around_x, width)), int(min(y2 + around_y, height))
    # A box that lies in the picture by less than a pixel still gives one.
    left, top = min(left, width - 1), min(top, height - 1)
    face = Image.fromarray(pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
    return np.asarray(face.resize((size_px, size_px), Image.Resampling.BILINEAR))
