"""Description of one array of a feature."""

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
#: Text, one string per row: numpy's own variable-width type for readers, UTF-8 bytes on disk.
TEXT = "str"
#: Names of arrays that every shard has.
RESERVED = frozenset({"offsets", "clip_id", "clip_id_offsets", "status", "start", "rate", "metadata"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ArraySpec:
    """An array whose first axis is the row (a sample, frame, word, ...) and joins the clips.

    On disk `granularity` and `allow_nan` are called `per` and `gaps`, as in the first version of the format.

    Attributes:
        name: "values" for the feature itself; other arrays belong to its rows or clips ("box", "times").
        dtype: NumPy name of the element type as readers see it; "str" for text.
        dims: Axis names, the row's first: ("frame", "height", "width", "channel").
        shape: Lengths of the axes after the first.
        codec: "none" (memory-mapped by our reader), "zstd", or "jpeg" for uint8 images (height, width[, channel]), one
            per row, quality 95; "utf8" for text, and only for it.
        unit: Unit of the elements: "dB", "px", "1" if there is none.
        columns: Names along the last axis, if it has names.
        granularity: "row", or "clip" for an array with exactly one row per clip, whatever the clip's length.
        allow_nan: True if NaN marks unknown elements; otherwise NaN fails the clip.

    Raises:
        StoreError: The parts contradict each other, or the name is one that every shard uses itself.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    shape: tuple[int, ...] = ()
    codec: Codec = "none"
    unit: str = "1"
    columns: tuple[str, ...] = ()
    granularity: Literal["row", "clip"] = "row"
    allow_nan: bool = False

    def __post_init__(self) -> None:
        if problem := self._find_problem():
            raise StoreError(f"array {self.name!r}: {problem}")

    def _find_problem(self) -> str | None:
        """Reason why there can be no such array, or None."""
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
            return f"jpeg holds uint8 images (height, width[, 1 or 3]), not {self.dtype} {self.shape}"
        if (self.codec == "utf8") != (self.dtype == TEXT) or (self.codec == "utf8" and self.shape):
            return f"codec utf8 holds text, one string per row; got {self.codec}, {self.dtype} {self.shape}"
        if self.granularity == "clip" and (self.name == "values" or self.dims[0] != "clip"):
            return f"an array per clip is not 'values', and its first axis is named 'clip', got {self.dims}"
        if self.allow_nan and not self.dtype.startswith("float"):
            return f"allow_nan: {self.dtype} has no NaN"
        if self.columns and (not self.shape or len(self.columns) != self.shape[-1]):
            return f"{len(self.columns)} column names for the last of the axes {self.shape}"
        return None

    @property
    def is_variable_length(self) -> bool:
        """True if rows differ in their number of stored bytes: JPEG images and text."""
        return self.codec in ("jpeg", "utf8")

    @property
    def numpy_dtype(self) -> np.dtype:
        """Element type as readers see it."""
        return np.dtypes.StringDType() if self.dtype == TEXT else np.dtype(self.dtype)

    @property
    def stored_dtype(self) -> np.dtype:
        """Element type on disk: little-endian; bytes for JPEG images and text."""
        return np.dtype("u1" if self.is_variable_length else np.dtype(self.dtype).newbyteorder("<").str)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Lengths of the stored axes after the first: none if rows are stored as bytes one after the other."""
        return () if self.is_variable_length else self.shape

    @property
    def stored_dims(self) -> tuple[str, ...]:
        """Axis names as stored."""
        return (f"{self.name}_byte",) if self.is_variable_length else self.dims

    @property
    def row_bytes(self) -> int:
        """Bytes of one step along the stored first axis."""
        return self.stored_dtype.itemsize * math.prod(self.stored_shape)

    def to_json(self) -> dict[str, Any]:
        """Write the attributes of the stored array."""
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
        if self.granularity != "row":
            written["per"] = self.granularity
        if self.allow_nan:
            written["gaps"] = True
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> ArraySpec:
        """Read what `to_json` wrote."""
        return cls(
            name=written["name"],
            dtype=written["dtype"],
            dims=tuple(written["dims"]),
            shape=tuple(written["shape"]),
            codec=written["codec"],
            unit=written["unit"],
            columns=tuple(written.get("columns", ())),
            granularity=written.get("per", "row"),
            allow_nan=written.get("gaps", False),
        )
