"""A face cut out of its picture: by its box, or turned and scaled so that its landmarks come to lie on a template."""

from __future__ import annotations

import numpy as np

#: Where eyes, nose and corners of the mouth come to lie, in parts of the result without its margin: medians
#: of MTCNN's points over 5,539 frames of 78 CREMA-D clips, in the square of the box's height around the
#: box's middle, rounded and made symmetrical.
TEMPLATE = np.array([[0.33, 0.39], [0.67, 0.39], [0.50, 0.57], [0.35, 0.755], [0.65, 0.755]])


def cropped(pixels: np.ndarray, box: np.ndarray, size_px: int, margin_px: int) -> np.ndarray:
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


def aligned(pixels: np.ndarray, landmarks: np.ndarray, size_px: int, margin_px: int) -> np.ndarray:
    """The picture turned, scaled and moved so that its landmarks lie nearest to the template (least squares).

    Unlike `cropped`, it keeps the face's proportions; what lies outside the picture is black.

    Args:
        pixels: uint8 (height, width, 3).
        landmarks: float (5, 2), x y in px of left eye, right eye, nose, left and right corner of the mouth.
        size_px: side of the result.
        margin_px: pixels of the result that surround the template's square, both sides together.

    Returns:
        uint8 (size, size, 3).
    """
    from PIL import Image

    a, b, shift_x, shift_y = _onto(TEMPLATE * (size_px - margin_px) + margin_px / 2, landmarks)
    picture = Image.fromarray(pixels)
    # Bilinear sampling sees four pixels: of a larger picture, blocks of pixels are averaged first.
    block = max(int(np.hypot(a, b)), 1)
    picture = picture.reduce(block) if block > 1 else picture
    matrix = tuple(value / block for value in (a, -b, shift_x, b, a, shift_y))
    size = size_px, size_px
    return np.asarray(picture.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR))


def grey(picture: np.ndarray) -> np.ndarray:
    """Luma of a picture, uint8 (height, width, 3) RGB to (height, width), by Rec. 601."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).convert("L"))


def _onto(source: np.ndarray, target: np.ndarray) -> tuple[float, float, float, float]:
    """The similarity x' = a x - b y + s, y' = b x + a y + t that brings points nearest to others.

    In complex numbers it is z' = c z + d: a line, whose least squares are those of any line.

    Args:
        source, target: float (point, 2); not all source points in one place.

    Returns:
        a, b, s, t.
    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target.astype(np.float64)))
    middle = z.mean()
    c = np.vdot(z - middle, w) / np.vdot(z - middle, z - middle).real
    d = w.mean() - c * middle
    return float(c.real), float(c.imag), float(d.real), float(d.imag)
