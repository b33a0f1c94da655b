"""Writer of Zarr v3 data folders, in memory that one clip bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from affectstore.store.containers.zarr_format import (
    ZSTD_LEVEL,
    chunk_name,
    encode_index,
    group_document,
    index_document,
    rows_document,
    rows_per_chunk,
    with_crc,
)
from affectstore.store.spec import ArraySpec


class ShardFile:
    """One array that joins all clips, appended to one file; index and CRC come last."""

    def __init__(self, folder: Path, spec: ArraySpec):
        self._folder, self._spec = folder, spec
        self._path = folder / chunk_name(1 + len(spec.stored_shape))
        self._path.parent.mkdir(parents=True)
        self._file: BinaryIO = self._path.open("xb")
        self._rows = 0
        self._chunk_bytes = rows_per_chunk(spec) * spec.row_bytes
        self._lengths: list[int] = []
        self._pending = bytearray()
        self._compressor: Any = None
        if spec.codec == "zstd":
            from numcodecs.zstd import Zstd

            self._compressor = Zstd(level=ZSTD_LEVEL, checksum=True)

    def append(self, data: np.ndarray) -> None:
        """Add rows in stored form."""
        self._rows += len(data)
        if not data.size:
            return
        raw = data.reshape(-1).view(np.uint8)
        if self._compressor is None:
            self._file.write(raw.data)
            return
        self._pending += raw.data
        while len(self._pending) >= self._chunk_bytes:
            self._compress(bytes(memoryview(self._pending)[: self._chunk_bytes]))
            del self._pending[: self._chunk_bytes]

    def finish(self) -> None:
        """Pad the last chunk with zeros, write index, CRC and metadata."""
        spec, rows = self._spec, self._rows
        inner = rows_per_chunk(spec, rows)
        size = inner * spec.row_bytes
        if self._compressor is None:
            chunks = -(-rows // inner)
            self._file.write(bytes((chunks * inner - rows) * spec.row_bytes))
            self._lengths = [size] * chunks
        elif self._pending:
            self._compress(bytes(self._pending).ljust(size, b"\0"))
        if rows:
            self._file.write(encode_index(self._lengths))
        self._file.close()
        if not rows:
            self._drop_empty()
        (self._folder / "zarr.json").write_bytes(rows_document(spec, rows))

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()

    def _compress(self, raw: bytes) -> None:
        chunk = self._compressor.encode(raw)
        self._file.write(chunk)
        self._lengths.append(len(chunk))

    def _drop_empty(self) -> None:
        # an array without rows has no chunk file
        self._path.unlink()
        for parent in self._path.parents:
            if parent == self._folder:
                break
            parent.rmdir()


class ZarrWriter:
    """A shard as a Zarr group: `append` per clip and array, then `finish`."""

    def __init__(self, folder: Path, specs: Sequence[ArraySpec]):
        self._folder = folder
        self._files = {spec.name: ShardFile(folder / spec.name, spec) for spec in specs}

    def append(self, name: str, data: np.ndarray) -> None:
        """Add one clip's rows, in stored form, to an array."""
        self._files[name].append(data)

    def finish(self, index: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
        """Write index arrays and metadata.

        Args:
            index: Index arrays, by name.
            attributes: Attributes of the group.
        """
        for file in self._files.values():
            file.finish()
        for name, array in index.items():
            folder = self._folder / name
            folder.mkdir()
            (folder / "zarr.json").write_bytes(index_document(name, array))
            if array.size:
                path = folder / chunk_name(array.ndim)
                path.parent.mkdir(parents=True)
                path.write_bytes(with_crc(array.tobytes()))
        (self._folder / "zarr.json").write_bytes(group_document(attributes))

    def close(self) -> None:
        """Close all files, finished or not."""
        for file in self._files.values():
            file.close()
