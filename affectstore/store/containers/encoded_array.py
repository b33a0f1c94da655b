"""A clip's arrays as they are stored, and their digest.

Plain arrays are stored as they are. Images under the codec `jpeg` are one JPEG per row, joined: quality 95, 4:2:0
(as most video), grayscale if there is one channel. Text is UTF-8, joined likewise.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from affectstore.digest import canonical_json
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

JPEG_QUALITY = 95


@dataclass(frozen=True)
class EncodedArray:
    """One array of one clip in stored form.

    Attributes:
        data: Elements of the stored dtype, in C order; for JPEG images and text their bytes, (byte,) uint8.
        lengths: Bytes of each image or string, int64 (row,); None for plain arrays.
    """

    data: np.ndarray
    lengths: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Rows as readers see them."""
        return len(self.data) if self.lengths is None else len(self.lengths)


def encode(spec: ArraySpec, array: np.ndarray) -> EncodedArray:
    """Bring an array of the spec's dtype and shape into stored form."""
    if not spec.is_variable_length:
        return EncodedArray(np.ascontiguousarray(array, dtype=spec.stored_dtype))
    rows = [row.encode() for row in array] if spec.codec == "utf8" else [_encode_jpeg(image) for image in array]
    return EncodedArray(
        np.frombuffer(b"".join(rows), dtype=np.uint8),
        np.array([len(row) for row in rows], dtype="<i8"),
    )


def decode_rows(spec: ArraySpec, data: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Decode joined JPEGs or strings.

    Args:
        spec: Spec of their array.
        data: Joined bytes, (byte,) uint8.
        edges: Begin of each row in `data`, and end of the last: (row + 1,).

    Returns:
        (row, *spec.shape) of the spec's dtype.
    """
    if spec.codec == "utf8":
        joined = data.tobytes()
        return np.array([joined[a:b].decode() for a, b in pairwise(edges.tolist())], dtype=spec.numpy_dtype)
    from PIL import Image

    out = np.empty((len(edges) - 1, *spec.shape), dtype=np.uint8)
    for row, (first, last) in enumerate(pairwise(edges.tolist())):
        with Image.open(io.BytesIO(data[first:last].data), formats=("JPEG",)) as image:
            out[row] = np.asarray(image).reshape(spec.shape)
    return out


def _encode_jpeg(image: np.ndarray) -> bytes:
    from PIL import Image

    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def clip_digest(specs: Sequence[ArraySpec], parts: Sequence[EncodedArray], grid: Grid | None) -> str:
    """Compute the sha256 of a clip's arrays: the same in every container and under every lossless codec."""
    head = {
        "grid": None if grid is None else [str(grid.start), str(grid.rate)],
        "arrays": [
            [spec.name, spec.dtype, list(spec.shape), spec.codec if spec.is_variable_length else "", part.rows]
            for spec, part in zip(specs, parts, strict=True)
        ],
    }
    digest = hashlib.sha256(canonical_json(head).encode())
    for part in parts:
        if part.lengths is not None:
            digest.update(np.ascontiguousarray(part.lengths, dtype="<i8").data)
        if part.data.size:
            digest.update(np.ascontiguousarray(part.data).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
