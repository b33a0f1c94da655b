"""MTCNN (Zhang et al. 2016) as facenet-pytorch ships it, weights included, behind one function.

Detector time goes mostly into the search for small faces, so the smallest face can follow the
picture's size. It is a step of the detector's own pyramid of scales: the scales that are left are then
those of the default search, and so is the box: to a hundredth of a pixel in 96 % of the CREMA-D clips
tried, within 6 px in the rest. (A round number, 90 px, takes as long and moves every box.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from affectstore.digest import digest
from affectstore.features.device import repeatable
from affectstore.weights.find import require

#: The automatic smallest face is at most this part of the shorter side of what is searched.
AUTO_FRACTION = 0.25

#: The same where the speaker's half of the picture is searched: two people and the room are in view.
HALF_AUTO_FRACTION = 0.125

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

    def moved(self, right_px: int) -> Face:
        """The same face in a picture that begins so many pixels further to the left."""
        if not right_px:
            return self
        shift = np.array([right_px, 0], dtype=np.float32)
        return Face(self.box + np.tile(shift, 2), self.landmarks + shift, self.probability)


class FaceDetector:
    """The three networks, loaded by the first detection.

    Args:
        thresholds: of the three stages.
    """

    def __init__(self, thresholds: Sequence[float]):
        self._thresholds = list(thresholds)

    def detect(self, pixels: np.ndarray, min_face_px: float) -> list[tuple[Face, ...]]:
        """The faces of each picture, the largest first; none where there is none.

        Args:
            pixels: uint8 (frame, height, width, 3) RGB.
            min_face_px: smallest face to look for.
        """
        if min(pixels.shape[1:3]) < min_face_px:
            return [()] * len(pixels)
        self._networks.min_face_size = min_face_px
        with repeatable():
            found = self._networks.detect(pixels, landmarks=True)
        return [_faces(*picture) for picture in zip(*found, strict=True)]

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
    """Smallest face to look for in a picture of this size: 79.15 px for 480 x 360.

    The largest of 20, 20/0.709, 20/0.709^2, ... that is at most `fraction` of the shorter side.
    """
    smallest = DEFAULT_MIN_FACE_PX
    while smallest / _PYRAMID_FACTOR <= fraction * min(height, width):
        smallest /= _PYRAMID_FACTOR
    return smallest


def weights_digest() -> str:
    """Digest over the files of the three networks, which come with facenet-pytorch.

    Raises:
        ConfigError: it is not installed, or lacks them.
    """
    return digest([require(f"{network}.pt").sha256 for network in ("pnet", "rnet", "onet")])
