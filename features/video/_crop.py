"""Face crops: by the face's box, or by a similarity transform of its landmarks onto a template."""

from __future__ import annotations

import numpy as np

#: Positions of eyes, nose and corners of the mouth, in fractions of the result without its margin: medians
#: of MTCNN's points over 5,539 frames of 78 CREMA-D clips, in the square of the box's height around the
#: box's middle, rounded and made symmetrical.
TEMPLATE = np.array([[0.33, 0.39], [0.67, 0.39], [0.50, 0.57], [0.35, 0.755], [0.65, 0.755]])


def crop_box(pixels: np.ndarray, box: np.ndarray, size_px: int, margin_px: int) -> np.ndarray:
    """Crop the box, rounded to int pixels and enlarged by a margin, and scale it, as facenet-pytorch's `extract_face`.

    Args:
        pixels: uint8 (height, width, 3).
        box: x1 y1 x2 y2 in px; parts outside the image are cut off.
        size_px: Side of the result.
        margin_px: Pixels of the result around the box, both sides together; less than `size_px`.

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
    # A box inside the image by less than a pixel is one pixel.
    left, top = min(left, width - 1), min(top, height - 1)
    face = Image.fromarray(pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
    return np.asarray(face.resize((size_px, size_px), Image.Resampling.BILINEAR))


def align_landmarks(pixels: np.ndarray, landmarks: np.ndarray, size_px: int, margin_px: int) -> np.ndarray:
    """Rotate, scale and move the image so that its landmarks are nearest to the template (least squares).

    Unlike `crop_box`, this keeps the face's proportions; parts outside the image are black.

    Args:
        pixels: uint8 (height, width, 3).
        landmarks: float (5, 2), x y in px of left eye, right eye, nose, left and right corner of the mouth.
        size_px: Side of the result.
        margin_px: Pixels of the result around the template's square, both sides together.

    Returns:
        uint8 (size, size, 3).
    """
    from PIL import Image

    a, b, shift_x, shift_y = _fit_similarity(TEMPLATE * (size_px - margin_px) + margin_px / 2, landmarks)
    image = Image.fromarray(pixels)
    # Bilinear sampling reads four pixels: blocks of pixels of a larger image are averaged first.
    block = max(int(np.hypot(a, b)), 1)
    image = image.reduce(block) if block > 1 else image
    matrix = tuple(value / block for value in (a, -b, shift_x, b, a, shift_y))
    size = size_px, size_px
    return np.asarray(image.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def to_grayscale(image: np.ndarray) -> np.ndarray:
    """Convert RGB to luma by Rec. 601: uint8 (height, width, 3) to (height, width)."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).convert("L"))


def _fit_similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, float, float, float]:
    """Fit the similarity x' = a x - b y + s, y' = b x + a y + t from source to target points by least squares.

    In complex numbers it is z' = c z + d: a line, whose least squares are those of any line.

    Args:
        source: float (point, 2); not all points in one place.
        target: float (point, 2).

    Returns:
        a, b, s, t.
    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target.astype(np.float64)))
    middle = z.mean()
    c = np.vdot(z - middle, w) / np.vdot(z - middle, z - middle).real
    d = w.mean() - c * middle
    return float(c.real), float(c.imag), float(d.real), float(d.imag)
