"""Writer of Torch7's binary format, for tests of the reader."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

_CLASSES = {"float32": "Float", "float64": "Double", "int64": "Long", "uint8": "Byte"}


class Raw(bytes):
    """Bytes that are written as they are."""


class Instance:
    """An instance of a class that writes the table of its fields."""

    def __init__(self, kind: str, fields: Any):
        self.kind, self.fields = kind, fields


def write_torch7(path: Path, value: Any) -> Path:
    """Write one object; arrays keep their strides, so that one with strides of zero is small on disk."""
    path.write_bytes(_Writer().object(value))
    return path


class _Writer:
    def __init__(self) -> None:
        self._index: dict[int, int] = {}
        self._kept: list[Any] = []  # ids stay unique while the objects live

    def object(self, value: Any) -> bytes:
        if isinstance(value, Raw):
            return value
        if value is None:
            return _int(0)
        if isinstance(value, bool):
            return _int(5) + _int(int(value))
        if isinstance(value, int | float):
            return _int(1) + struct.pack("<d", value)
        if isinstance(value, str):
            return _int(2) + _string(value)
        known = id(value) in self._index
        index = self._index.setdefault(id(value), len(self._index) + 1)
        self._kept.append(value)
        head = _int(3 if isinstance(value, dict) else 4) + _int(index)
        if known:
            return head
        if isinstance(value, dict):
            return head + _int(len(value)) + b"".join(self.object(k) + self.object(v) for k, v in value.items())
        if isinstance(value, Instance):
            return head + _string("V 1") + _string(value.kind) + self.object(value.fields)
        return head + self._tensor(value)

    def _tensor(self, array: np.ndarray) -> bytes:
        name = _CLASSES[array.dtype.name]
        strides = tuple(stride // array.itemsize for stride in array.strides)
        needed = 1 + sum((size - 1) * stride for size, stride in zip(array.shape, strides, strict=True))
        storage = np.lib.stride_tricks.as_strided(array, (needed,), (array.itemsize,))
        longs = b"".join(struct.pack("<q", number) for number in (*array.shape, *strides, 1))
        index = len(self._index) + 1
        self._index[-index] = index
        written = _int(4) + _int(index) + _string("V 1") + _string(f"torch.{name}Storage")
        written += struct.pack("<q", needed) + storage.tobytes()
        return _string("V 1") + _string(f"torch.{name}Tensor") + _int(array.ndim) + longs + written


def _int(number: int) -> bytes:
    return struct.pack("<i", number)


def _string(text: str) -> bytes:
    return _int(len(text.encode())) + text.encode()
