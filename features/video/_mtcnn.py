"""MTCNN (Zhang et al. 2016) of facenet-pytorch, weights included, behind one function.

The search for small faces takes most of the detector's time, so the smallest face can follow the
size of the image. It is a step of the detector's own pyramid of scales: the remaining scales equal
those of the default search, and so does the box: to a hundredth of a pixel in 96 % of the CREMA-D clips
tried, within 6 px in the rest. (A round number, 90 px, takes as long and moves every box.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from affectstore.digest import digest
from affectstore.features.device import deterministic_inference
from affectstore.weights.find import require

#: Largest automatic smallest face, as a fraction of the shorter side of the searched area.
AUTO_FRACTION = 0.25

#: The same for half an image, where two people and the room are in view.
HALF_AUTO_FRACTION = 0.125

#: Default of MTCNN.
DEFAULT_MIN_FACE_PX = 20.0
_PYRAMID_FACTOR = 0.709


@dataclass(frozen=True)
class Face:
    """A face in an image.

    Attributes:
        box: float (4,), x1 y1 x2 y2 in px.
        landmarks: float (5, 2), x y in px of left eye, right eye, nose, left and right corner of the mouth.
        probability: Probability of the last stage; 0 for an interpolated face.
    """

    box: np.ndarray
    landmarks: np.ndarray
    probability: float

    def shift_right(self, right_px: int) -> Face:
        """Shift the face to the right by `right_px`."""
        if not right_px:
            return self
        shift = np.array([right_px, 0], dtype=np.float32)
        return Face(self.box + np.tile(shift, 2), self.landmarks + shift, self.probability)


class FaceDetector:
    """The three networks, loaded at the first detection.

    Args:
        thresholds: Thresholds of the three stages.
    """

    def __init__(self, thresholds: Sequence[float]):
        self._thresholds = list(thresholds)

    def detect(self, pixels: np.ndarray, min_face_px: float) -> list[tuple[Face, ...]]:
        """Detect the faces of each image, the largest first.

        Args:
            pixels: uint8 (frame, height, width, 3) RGB.
            min_face_px: Smallest face to search for.
        """
        if min(pixels.shape[1:3]) < min_face_px:
            return [()] * len(pixels)
        self._networks.min_face_size = min_face_px
        with deterministic_inference():
            found = self._networks.detect(pixels, landmarks=True)
        return [_faces(*image) for image in zip(*found, strict=True)]

    @cached_property
    def _networks(self) -> Any:
        from facenet_pytorch import MTCNN

        return MTCNN(
            keep_all=True,
            thresholds=self._thresholds,
            factor=_PYRAMID_FACTOR,
            select_largest=True,
            device="cpu",
        )


def _faces(boxes: np.ndarray | None, probabilities: np.ndarray, landmarks: np.ndarray) -> tuple[Face, ...]:
    if boxes is None:
        return ()
    return tuple(
        Face(np.asarray(box, dtype=np.float32), np.asarray(points, dtype=np.float32), float(probability))
        for box, probability, points in zip(boxes, probabilities, landmarks, strict=True)
    )


def auto_min_face_px(height: int, width: int, fraction: float = AUTO_FRACTION) -> float:
    """Choose the smallest face to search for in an image of this size: 79.15 px for 480 x 360.

    The largest of 20, 20/0.709, 20/0.709^2, ... that is at most `fraction` of the shorter side.
    """
    smallest = DEFAULT_MIN_FACE_PX
    while smallest / _PYRAMID_FACTOR <= fraction * min(height, width):
        smallest /= _PYRAMID_FACTOR
    return smallest


def weights_digest() -> str:
    """Compute the digest of the files of the three networks, which facenet-pytorch includes.

    Raises:
        ConfigError: facenet-pytorch is not installed, or lacks them.
    """
    return digest([require(f"{network}.pt").sha256 for network in ("pnet", "rnet", "onet")])
