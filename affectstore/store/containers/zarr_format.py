"""Parts of Zarr v3 that a shard is made of: metadata documents and the sharding index.

Every array of rows is one file: inner chunks along the first axis, one behind the other, then the index (offset and
length of each chunk, uint64) and its CRC32C (Zarr v3 codec `sharding_indexed`). Index arrays are one chunk with a
CRC32C behind it. Both equal, byte for byte, the files of zarr-python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import google_crc32c
import numpy as np

from affectstore.errors import IntegrityError
from affectstore.store.index.arrays import INDEX_DIMS
from affectstore.store.spec import ArraySpec

#: Aimed at size of an inner chunk: other readers fetch at least so much, and zstd compresses so much at once.
CHUNK_BYTES = 1 << 17
ZSTD_LEVEL = 3
_CRC_BYTES = 4


def rows_per_chunk(spec: ArraySpec, rows: int | None = None) -> int:
    """Count the rows of an inner chunk; an array of fewer `rows` is one chunk, so that little is padding."""
    most = max(1, CHUNK_BYTES // spec.row_bytes)
    return min(most, rows) if rows else most


def chunk_name(axes: int) -> str:
    """Name of the only chunk (or shard file) of an array."""
    return "/".join(["c", *["0"] * axes])


def group_document(attributes: Mapping[str, Any]) -> bytes:
    """Write `zarr.json` of a group."""
    return _document({"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"})


def rows_document(spec: ArraySpec, rows: int) -> bytes:
    """Write `zarr.json` of an array that joins all clips.

    Args:
        rows: Length of the stored first axis.
    """
    inner_rows = rows_per_chunk(spec, rows)
    chunks = max(1, -(-rows // inner_rows))
    codecs: list[dict[str, Any]] = [_bytes_codec(spec.stored_dtype)]
    if spec.codec == "zstd":
        codecs.append({"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": True}})
    sharding = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [inner_rows, *spec.stored_shape],
            "codecs": codecs,
            "index_codecs": [_bytes_codec(np.dtype("<u8")), {"name": "crc32c"}],
            "index_location": "end",
        },
    }
    return _array_document(
        dtype=spec.stored_dtype,
        shape=(rows, *spec.stored_shape),
        chunk_shape=(chunks * inner_rows, *spec.stored_shape),
        codecs=[sharding],
        attributes=spec.to_json(),
        dims=spec.stored_dims,
    )


def index_document(name: str, array: np.ndarray) -> bytes:
    """Write `zarr.json` of an index array."""
    return _array_document(
        dtype=array.dtype,
        shape=array.shape,
        chunk_shape=(max(1, len(array)), *array.shape[1:]),
        codecs=[_bytes_codec(array.dtype), {"name": "crc32c"}],
        attributes={},
        dims=INDEX_DIMS.get(name, (f"{name}_edge",)),
    )


def with_crc(data: bytes) -> bytes:
    """Append the CRC32C of `data`, as the codec `crc32c` writes it."""
    return data + google_crc32c.value(data).to_bytes(_CRC_BYTES, "little")


def without_crc(data: bytes, source: str) -> bytes:
    """Check and remove the CRC32C behind data.

    Raises:
        IntegrityError: The CRC is another.
    """
    body = data[:-_CRC_BYTES]
    if len(data) < _CRC_BYTES or google_crc32c.value(body).to_bytes(_CRC_BYTES, "little") != data[-_CRC_BYTES:]:
        raise IntegrityError(f"{source}: the checksum (CRC32C) does not fit the bytes before it")
    return body


def encode_index(lengths: Sequence[int] | np.ndarray) -> bytes:
    """Write the index, with its CRC, of chunks of these lengths one behind the other."""
    index = np.empty((len(lengths), 2), dtype="<u8")
    index[:, 1] = lengths
    index[:, 0] = np.cumsum(index[:, 1]) - index[:, 1]
    return with_crc(index.tobytes())


def index_bytes(chunks: int) -> int:
    """Size of the index of some chunks, with its CRC."""
    return 16 * chunks + _CRC_BYTES


def is_flat(index: bytes, chunk_bytes: int, source: str) -> bool:
    """True if chunks of one size lie one behind the other, complete and in order: then the file is the array.

    Args:
        index: End of the file, as `encode_index` writes it.

    Raises:
        IntegrityError: The index is damaged.
    """
    found = np.frombuffer(without_crc(index, source), dtype="<u8").reshape(-1, 2)
    order = np.arange(len(found), dtype=np.uint64) * np.uint64(chunk_bytes)
    return bool((found[:, 1] == chunk_bytes).all() and (found[:, 0] == order).all())


def _bytes_codec(dtype: np.dtype) -> dict[str, Any]:
    if dtype.itemsize == 1:
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": "little"}}


def _array_document(
    *,
    dtype: np.dtype,
    shape: Sequence[int],
    chunk_shape: Sequence[int],
    codecs: list[dict[str, Any]],
    attributes: Mapping[str, Any],
    dims: Sequence[str],
) -> bytes:
    return _document(
        {
            "shape": list(shape),
            "data_type": dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": dtype.type(0).item(),
            "codecs": codecs,
            "attributes": dict(attributes),
            "dimension_names": list(dims),
            "zarr_format": 3,
            "node_type": "array",
            "storage_transformers": [],
        }
    )


def _document(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=2, allow_nan=False).encode()
