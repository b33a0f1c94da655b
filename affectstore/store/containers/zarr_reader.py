"""Reader of Zarr data folders: a memory map where a file is the flat array, zarr-python elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectstore.errors import IntegrityError
from affectstore.store.containers.reader import ContainerReader, Rows
from affectstore.store.containers.zarr_format import (
    chunk_name,
    group_document,
    index_bytes,
    index_document,
    is_flat,
    rows_document,
    rows_per_chunk,
    without_crc,
)
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec

_INDEX_TYPES = {"clip_id": "u1", "status": "u1"}  # all others int64
_PAIRS = frozenset({"start", "rate"})


class ZarrReader(ContainerReader):
    """A shard as a Zarr group."""

    def __init__(self, folder: Folder, ledger: Ledger):
        super().__init__(folder, ledger)
        self.attributes = _document(folder, "zarr.json")["attributes"]
        self._documents = {
            name: _document(folder, f"{name}/zarr.json") for name in self.attributes["affectstore"]["arrays"]
        }
        self.specs = {name: ArraySpec.from_json(document["attributes"]) for name, document in self._documents.items()}

    def stored(self, name: str) -> Rows:
        """Open an array in stored form, without a copy if its file is the flat array and is on this machine."""
        spec, document = self.specs[name], self._documents[name]
        shape = tuple(document["shape"])
        if not shape[0]:
            return np.empty(shape, spec.stored_dtype)
        flat = self._flat_file(name)
        if flat is None:
            return ZarrRows(self.folder.zarr_store(), name)
        if isinstance(self.folder, LocalFolder):
            memory = self.folder.map(flat)
            return np.frombuffer(memory, spec.stored_dtype, math.prod(shape)).reshape(shape)
        return RangeRows(self.folder, flat, spec, shape[0])

    def read_index(self, name: str) -> np.ndarray:
        """Read an index array: one chunk and its CRC32C."""
        file = f"{name}/{chunk_name(2 if name in _PAIRS else 1)}"
        data = without_crc(self.folder.read(file), f"{self.folder}/{file}") if file in self.ledger.files else b""
        array = np.frombuffer(data, dtype=_INDEX_TYPES.get(name, "<i8"))
        return array.reshape(-1, 2) if name in _PAIRS else array

    def find_problems(self, index: Mapping[str, np.ndarray]) -> list[str]:
        """List the metadata that the writer would write otherwise, and padding other than zeros."""
        expected = {"zarr.json": group_document(self.attributes)}
        for name, array in index.items():
            expected[f"{name}/zarr.json"] = index_document(name, array)
        for name, spec in self.specs.items():
            expected[f"{name}/zarr.json"] = rows_document(spec, self._documents[name]["shape"][0])
        found = [
            f"{self.folder}/{name} is not as it was written"
            for name, document in expected.items()
            if self.folder.read(name) != document
        ]
        return found + [text for name in self.specs if (text := self._padding_damage(name))]

    def _padding_damage(self, name: str) -> str | None:
        """Describe padding other than zeros behind the last row, or None."""
        flat = self._flat_file(name) if self._documents[name]["shape"][0] else None
        if flat is None:
            return None
        rows, outer = self._documents[name]["shape"][0], _outer_rows(self._documents[name])
        row_bytes = self.specs[name].row_bytes
        padding = self.folder.read_range(flat, rows * row_bytes, outer * row_bytes)
        return f"{self.folder}/{flat}: the padding behind the last row is not zero" if any(padding) else None

    def _flat_file(self, name: str) -> str | None:
        """Name of the file that is the flat array; None if the chunks are compressed or lie in another order."""
        spec, document = self.specs[name], self._documents[name]
        rows = document["shape"][0]
        if spec.codec == "zstd" or document != json.loads(rows_document(spec, rows)):
            return None
        inner = rows_per_chunk(spec, rows)
        file = f"{name}/{chunk_name(1 + len(spec.stored_shape))}"
        size, tail = self.folder.size(file), index_bytes(_outer_rows(document) // inner)
        if size < tail + rows * spec.row_bytes:
            raise IntegrityError(f"{self.folder}/{file} has {size} bytes, too few for {rows} rows of {spec.row_bytes}")
        index = self.folder.read_range(file, size - tail, size)
        return file if is_flat(index, inner * spec.row_bytes, f"{self.folder}/{file}") else None


def _outer_rows(document: dict[str, Any]) -> int:
    return document["chunk_grid"]["configuration"]["chunk_shape"][0]


class ZarrRows:
    """Rows that zarr-python reads."""

    def __init__(self, store: Any, name: str):
        import zarr

        self._array = zarr.open_array(store, path=name, mode="r")

    def __getitem__(self, rows: slice) -> np.ndarray:
        values = np.asarray(self._array[rows])
        values.flags.writeable = False
        return values


class RangeRows:
    """Rows of a remote flat file, read by byte ranges."""

    def __init__(self, folder: Folder, file: str, spec: ArraySpec, rows: int):
        self._folder, self._file, self._spec, self._rows = folder, file, spec, rows

    def __getitem__(self, rows: slice) -> np.ndarray:
        spec = self._spec
        first, last, _ = rows.indices(self._rows)
        last = max(first, last)
        start, end = first * spec.row_bytes, last * spec.row_bytes
        data = self._folder.read_range(self._file, start, end) if end > start else b""
        return np.frombuffer(data, spec.stored_dtype).reshape(last - first, *spec.stored_shape)


def _document(folder: Folder, name: str) -> dict[str, Any]:
    try:
        return json.loads(folder.read(name))
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder}/{name} is missing") from error
    except ValueError as error:
        raise IntegrityError(f"{folder}/{name} is not JSON: {error}") from error
