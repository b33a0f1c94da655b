"""Reader of Torch7's serialised objects (`.t7`, binary form): tensors, tables, numbers and strings, never code.

Source: the serialisation section of Torch7's documentation and its `File` class. An object is a 32-bit
type, then: a number (float64), a string (32-bit length, bytes), a boolean (32 bits), or, after a 32-bit
index by which it is referred to again, a table (32-bit count, then key and value each) or an instance
(version "V 1", class name, then the data of the class). A tensor writes its dimensions (32 bits), sizes,
strides and the offset of its first element, counted from one (64 bits each), and its storage; a storage
its length (64 bits) and its elements; a layer of `nn` the table of its fields. All is little-endian, as
on the 64-bit machines that the published files come from.
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from affectstore.errors import ConfigError

_NIL, _NUMBER, _STRING, _TABLE, _INSTANCE, _BOOLEAN = range(6)
#: Types of functions, of three versions of the format: they hold compiled code.
_FUNCTIONS = frozenset({6, 7, 8})
_DTYPES = {
    "Float": "<f4",
    "Double": "<f8",
    "Half": "<f2",
    "Long": "<i8",
    "Int": "<i4",
    "Short": "<i2",
    "Char": "i1",
    "Byte": "u1",
    "Cuda": "<f4",
    "CudaDouble": "<f8",
    "CudaHalf": "<f2",
}
_ARRAY = re.compile(rf"torch\.({'|'.join(_DTYPES)})(Tensor|Storage)")
_LAYER = re.compile(r"(nn|cudnn|cunn)\.[A-Za-z]\w*")
#: Objects within objects; a network has fewer than ten.
_DEEPEST = 64
#: More dimensions than any tensor has.
_MOST_DIMENSIONS = 32

Table = dict[Any, Any]


@dataclass(frozen=True)
class Layer:
    """An instance of a class of `nn`.

    Attributes:
        kind: Name of its class, "nn.SpatialConvolution".
        fields: Values by name.
    """

    kind: str
    fields: Table = field(default_factory=dict)


def read_torch7(path: Path) -> Any:
    """Read the object in a file.

    Tensors and storages are read-only arrays on the mapped file, so that only used parts are read;
    tables are dicts with int, str or bool keys; layers are `Layer`.

    Raises:
        ConfigError: The file is truncated, not in Torch7's binary form, or holds a function or a class that is
            neither a tensor nor a layer.
    """
    try:
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # a file of no bytes cannot be mapped
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return _Reader(path, mapped).object(0)


class _Reader:
    def __init__(self, path: Path, mapped: mmap.mmap):
        self._path, self._mapped = path, mapped
        self._at = 0
        self._known: dict[int, Any] = {}

    def object(self, depth: int) -> Any:
        """Read the next object."""
        if depth > _DEEPEST:
            self._refuse(f"objects within objects, {_DEEPEST} deep")
        kind = self._int()
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self._unpack("<d")
        if kind == _STRING:
            return self._string()
        if kind == _BOOLEAN:
            return self._int() != 0
        if kind in _FUNCTIONS:
            self._refuse("a function, which is code")
        if kind not in (_TABLE, _INSTANCE):
            self._refuse(f"an object of the unknown type {kind}: is this Torch7's binary form?")
        index = self._int()
        if index in self._known:
            return self._known[index]
        return self._table(index, depth) if kind == _TABLE else self._instance(index, depth)

    def _table(self, index: int, depth: int) -> Table:
        table: Table = {}
        self._known[index] = table
        for _ in range(self._int()):
            key, value = self.object(depth + 1), self.object(depth + 1)
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if not isinstance(key, int | float | str | bool):
                self._refuse(f"a table with a key of type {type(key).__name__}")
            table[key] = value
        return table

    def _instance(self, index: int, depth: int) -> Any:
        version = self._string()
        # Files older than versions begin with the class.
        name = self._string() if version.startswith("V ") else version
        array = _ARRAY.fullmatch(name)
        if array is not None:
            dtype = np.dtype(_DTYPES[array[1]])
            value = self._storage(dtype) if array[2] == "Storage" else self._tensor(dtype, depth)
            self._known[index] = value
            return value
        if not _LAYER.fullmatch(name):
            self._refuse(f"an instance of {name!r}, which is neither a tensor nor a layer of nn")
        layer = Layer(name)
        self._known[index] = layer
        fields = self.object(depth + 1)
        if not isinstance(fields, dict):
            self._refuse(f"an {name} without fields")
        layer.fields.update(fields)
        return layer

    def _storage(self, dtype: np.dtype) -> np.ndarray:
        count = self._long()
        start = self._take(count * dtype.itemsize)
        return np.frombuffer(self._mapped, dtype, count, start) if count else np.zeros(0, dtype)

    def _tensor(self, dtype: np.dtype, depth: int) -> np.ndarray:
        dimensions = self._int()
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            self._refuse(f"a tensor of {dimensions} dimensions")
        sizes = tuple(self._long() for _ in range(dimensions))
        strides = tuple(self._long() for _ in range(dimensions))
        offset = self._long() - 1
        storage = self.object(depth + 1)
        if not dimensions or 0 in sizes:
            return np.zeros(sizes or 0, dtype)
        if not isinstance(storage, np.ndarray) or storage.ndim != 1 or storage.dtype != dtype:
            self._refuse(f"a tensor of {dtype} without a storage of them")
        if min(*sizes, *strides, offset) < 0:
            self._refuse(f"a tensor of sizes {sizes}, strides {strides} and offset {offset}")
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if last >= len(storage):
            self._refuse(f"a tensor that needs {last + 1:,} numbers of a storage of {len(storage):,}")
        steps = tuple(stride * dtype.itemsize for stride in strides)
        return np.lib.stride_tricks.as_strided(storage[offset:], sizes, steps, writeable=False)

    def _string(self) -> str:
        length = self._int()
        start = self._take(length)
        return self._mapped[start : start + length].decode("utf-8", errors="replace")

    def _int(self) -> int:
        return self._unpack("<i")

    def _long(self) -> int:
        return self._unpack("<q")

    def _unpack(self, form: str) -> Any:
        return struct.unpack_from(form, self._mapped, self._take(struct.calcsize(form)))[0]

    def _take(self, count: int) -> int:
        """Consume the next `count` bytes; return the position of the first."""
        start, end = self._at, self._at + count
        if count < 0 or end > len(self._mapped):
            self._refuse(f"{count:,} bytes more, and ends after {len(self._mapped):,}: truncated, or not Torch7's")
        self._at = end
        return start

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigError(f"{self._path} is refused: at byte {self._at:,} it has {what}")
