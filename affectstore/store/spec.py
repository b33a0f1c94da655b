"""What an array of a feature looks like."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from affectstore.errors import StoreError

Codec = Literal["none", "zstd", "jpeg", "utf8"]

#: Element types that every Zarr v3 reader knows, under the names Zarr and numpy share.
DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
)
#: Text, one string a row: numpy's own variable-width type for readers, UTF-8 bytes on disk.
TEXT = "str"
#: Arrays that every shard has, so no feature may call its own so.
RESERVED = frozenset({"offsets", "clip_id", "clip_id_offsets", "status", "start", "rate", "metadata"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ArraySpec:
    """An array whose first axis is the row (a sample, column, frame, word, ...) and joins the clips.

    Attributes:
        name: "values" for the feature itself; others ride along ("box", "times").
        dtype: numpy name of the element type as readers see it; "str" for text.
        dims: axis names, the row's first: ("frame", "height", "width", "channel").
        shape: lengths of the axes after the first.
        codec: "none" (memory-mapped by our reader), "zstd", or "jpeg" for uint8 pictures
            (height, width[, channel]), one image a row, quality 95; "utf8" for text, and only for it.
        unit: of the elements: "dB", "px", "1" where there is none.
        columns: names along the last axis, where it has names.
        per: "row", or "clip" for an array that has exactly one row a clip, whatever the clip's length.
        gaps: whether NaN may stand in it, for what is not known; elsewhere it fails the clip.

    Raises:
        StoreError: the parts contradict each other, or the name is one that every shard uses itself.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    shape: tuple[int, ...] = ()
    codec: Codec = "none"
    unit: str = "1"
    columns: tuple[str, ...] = ()
    per: Literal["row", "clip"] = "row"
    gaps: bool = False

    def __post_init__(self) -> None:
        wrong = self._wrong()
        if wrong:
            raise StoreError(f"array {self.name!r}: {wrong}")

    def _wrong(self) -> str:
        if not _NAME.fullmatch(self.name) or self.name in RESERVED or self.name.endswith("_offsets"):
            return f"not a usable name: letters, digits and _, not ending in _offsets, none of {sorted(RESERVED)}"
        if self.dtype not in DTYPES | {TEXT}:
            return f"dtype {self.dtype!r} is not one of {sorted(DTYPES | {TEXT})}"
        if len(self.dims) != len(self.shape) + 1 or len(set(self.dims)) != len(self.dims):
            return f"{len(self.dims)} axis names {self.dims} for a row axis and the lengths {self.shape}"
        if any(length < 1 for length in self.shape):
            return f"every axis after the row needs a length of at least 1, got {self.shape}"
        if self.codec not in get_args(Codec):
            return f"codec {self.codec!r} is not one of {get_args(Codec)}"
        if self.codec == "jpeg" and (
            self.dtype != "uint8" or len(self.shape) not in (2, 3) or self.shape[2:] not in ((), (1,), (3,))
        ):
            return f"jpeg holds uint8 pictures (height, width[, 1 or 3]), not {self.dtype} {self.shape}"
        if (self.codec == "utf8") != (self.dtype == TEXT) or (self.codec == "utf8" and self.shape):
            return f"codec utf8 holds text, one string a row; got {self.codec}, {self.dtype} {self.shape}"
        if self.per == "clip" and (self.name == "values" or self.dims[0] != "clip"):
            return f"an array per clip is not 'values', and its first axis is named 'clip', got {self.dims}"
        if self.gaps and not self.dtype.startswith("float"):
            return f"gaps are NaN, which {self.dtype} does not have"
        if self.columns and (not self.shape or len(self.columns) != self.shape[-1]):
            return f"{len(self.columns)} column names for the last of the axes {self.shape}"
        return ""

    @property
    def joins_bytes(self) -> bool:
        """Whether a row is stored as so many bytes as it takes: pictures and text."""
        return self.codec in ("jpeg", "utf8")

    @property
    def numpy_dtype(self) -> np.dtype:
        """Element type as readers see it."""
        return np.dtypes.StringDType() if self.dtype == TEXT else np.dtype(self.dtype)

    @property
    def stored_dtype(self) -> np.dtype:
        """Element type as it lies on disk: little-endian; bytes for pictures and text."""
        return np.dtype("u1" if self.joins_bytes else np.dtype(self.dtype).newbyteorder("<").str)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Lengths of the stored axes after the first: none for what is stored as bytes one after the other."""
        return () if self.joins_bytes else self.shape

    @property
    def stored_dims(self) -> tuple[str, ...]:
        """Axis names as stored."""
        return (f"{self.name}_byte",) if self.joins_bytes else self.dims

    @property
    def row_bytes(self) -> int:
        """Bytes of one step along the stored first axis."""
        return self.stored_dtype.itemsize * math.prod(self.stored_shape)

    def to_json(self) -> dict[str, Any]:
        """As attributes of the stored array."""
        written: dict[str, Any] = {
            "name": self.name,
            "dtype": self.dtype,
            "dims": list(self.dims),
            "shape": list(self.shape),
            "codec": self.codec,
            "unit": self.unit,
        }
        if self.columns:
            written["columns"] = list(self.columns)
        if self.per != "row":
            written["per"] = self.per
        if self.gaps:
            written["gaps"] = True
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> ArraySpec:
        """The inverse of `to_json`."""
        return cls(
            name=written["name"],
            dtype=written["dtype"],
            dims=tuple(written["dims"]),
            shape=tuple(written["shape"]),
            codec=written["codec"],
            unit=written["unit"],
            columns=tuple(written.get("columns", ())),
            per=written.get("per", "row"),
            gaps=written.get("gaps", False),
        )
