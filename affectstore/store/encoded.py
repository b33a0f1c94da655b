"""A clip's arrays as they are stored, and their digest.

Plain arrays are stored as they are. Pictures under the codec `jpeg` are one JPEG a row, joined: quality
95, 4:2:0 (video is 4:2:0 to begin with), grey where there is one channel. Text is UTF-8, joined likewise.
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
class Encoded:
    """One array of one clip in stored form.

    Attributes:
        data: stored dtype, C order; for pictures and text their bytes, (byte,) uint8.
        lengths: int64 (row,), bytes of each picture or string; None for plain arrays.
    """

    data: np.ndarray
    lengths: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Rows as readers see them."""
        return len(self.data) if self.lengths is None else len(self.lengths)


def encode(spec: ArraySpec, array: np.ndarray) -> Encoded:
    """Bring an array of the spec's dtype and shape into stored form."""
    if not spec.joins_bytes:
        return Encoded(np.ascontiguousarray(array, dtype=spec.stored_dtype))
    rows = [row.encode() for row in array] if spec.codec == "utf8" else [_encode_jpeg(picture) for picture in array]
    return Encoded(
        np.frombuffer(b"".join(rows), dtype=np.uint8),
        np.array([len(row) for row in rows], dtype="<i8"),
    )


def decode_rows(spec: ArraySpec, data: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Decode joined JPEGs or strings.

    Args:
        data: (byte,) uint8.
        edges: (row + 1,) where each row begins in `data`, and where the last ends.

    Returns:
        (row, *spec.shape) of the spec's dtype.
    """
    if spec.codec == "utf8":
        joined = data.tobytes()
        return np.array([joined[a:b].decode() for a, b in pairwise(edges.tolist())], dtype=spec.numpy_dtype)
    from PIL import Image

    out = np.empty((len(edges) - 1, *spec.shape), dtype=np.uint8)
    for row, (first, last) in enumerate(pairwise(edges.tolist())):
        with Image.open(io.BytesIO(data[first:last].data), formats=("JPEG",)) as picture:
            out[row] = np.asarray(picture).reshape(spec.shape)
    return out


def _encode_jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def clip_digest(specs: Sequence[ArraySpec], parts: Sequence[Encoded], grid: Grid | None) -> str:
    """sha256 of what is stored of a clip: the same in every container and under every lossless codec."""
    head = {
        "grid": None if grid is None else [str(grid.start), str(grid.rate)],
        "arrays": [
            [spec.name, spec.dtype, list(spec.shape), spec.codec if spec.joins_bytes else "", part.rows]
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
