"""Streamed arrays equal, byte for byte, those of zarr-python, and zarr-python reads them."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from zarr.codecs import Crc32cCodec, ZstdCodec

from affectstore.errors import IntegrityError
from affectstore.store.containers import zarr_format
from affectstore.store.containers.zarr_format import encode_index, is_flat, rows_per_chunk
from affectstore.store.containers.zarr_writer import ZarrWriter
from affectstore.store.index.arrays import INDEX_DIMS
from affectstore.store.spec import DTYPES, ArraySpec


def by_zarr_python(folder: Path, spec: ArraySpec, values: np.ndarray) -> None:
    """Write the same array with zarr-python itself."""
    inner = rows_per_chunk(spec, len(values))
    outer = max(1, -(-len(values) // inner)) * inner
    array = zarr.create_array(
        folder,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(inner, *spec.shape),
        shards=(outer, *spec.shape),
        compressors=[ZstdCodec(level=zarr_format.ZSTD_LEVEL, checksum=True)] if spec.codec == "zstd" else [],
        dimension_names=spec.dims,
        attributes=spec.to_json(),
        config={"write_empty_chunks": True},
    )
    if len(values):
        array[:] = values


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(sorted(DTYPES)),
    codec=st.sampled_from(["none", "zstd"]),
    shape=st.lists(st.integers(1, 4), max_size=3).map(tuple),
    lengths=st.lists(st.integers(0, 9), max_size=5),
    chunk_bytes=st.sampled_from([1, 16, 64, 1 << 17]),
    seed=st.integers(0, 2**16),
    zeros=st.booleans(),
)
def test_stream_equals_zarr_python(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    codec: str,
    shape: tuple[int, ...],
    lengths: list[int],
    chunk_bytes: int,
    seed: int,
    zeros: bool,
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    spec = ArraySpec("values", dtype, ("row", *"xyz"[: len(shape)]), shape, codec)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    parts = [(rng.integers(0, 2 if zeros else 100, (rows, *shape)) * (not zeros)).astype(dtype) for rows in lengths]
    values = np.concatenate([np.zeros((0, *shape), dtype), *parts])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zarr_format, "CHUNK_BYTES", chunk_bytes)
        ours = ZarrWriter(folder / "ours", [spec])
        for part in parts:
            ours.append("values", part)
        ours.finish({}, {})
        by_zarr_python(folder / "theirs", spec, values)
    assert tree(folder / "ours" / "values") == tree(folder / "theirs")
    np.testing.assert_array_equal(zarr.open_array(folder / "ours" / "values", mode="r")[:], values)


@pytest.mark.parametrize(
    "array", [np.arange(5, dtype="<i8"), np.zeros(3, "u1"), np.zeros((0, 2), "<i8"), np.ones((2, 2), "<i8")]
)
def test_small_arrays_equal_zarr_python(tmp_path: Path, array: np.ndarray) -> None:
    name = "start" if array.ndim == 2 else "offsets"
    ZarrWriter(tmp_path / "ours", [ArraySpec("values", "float32", ("row",))]).finish({name: array}, {"feature": "mel"})
    theirs = zarr.create_array(
        tmp_path / "theirs",
        shape=array.shape,
        dtype=array.dtype,
        chunks=(max(1, len(array)), *array.shape[1:]),
        compressors=[Crc32cCodec()],
        dimension_names=INDEX_DIMS[name],
        config={"write_empty_chunks": True},
    )
    theirs[:] = array
    assert tree(tmp_path / "ours" / name) == tree(tmp_path / "theirs")
    zarr.create_group(tmp_path / "group", attributes={"feature": "mel"})
    assert (tmp_path / "ours" / "zarr.json").read_bytes() == (tmp_path / "group" / "zarr.json").read_bytes()


def test_zarr_python_refuses_a_wrong_checksum(tmp_path: Path) -> None:
    """Zarr-python checks checksums: otherwise the equality above could hold for files without any."""
    ours = ZarrWriter(tmp_path, [ArraySpec("values", "uint8", ("row",))])
    ours.append("values", np.arange(9, dtype=np.uint8))
    ours.finish({}, {})
    file = tmp_path / "values" / "c" / "0"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    array = zarr.open_array(tmp_path / "values", mode="r")
    with pytest.raises(ValueError, match="checksum"):
        array[:]


def test_only_complete_ordered_indices_are_flat() -> None:
    assert is_flat(encode_index([8, 8, 8]), 8, "x")
    assert not is_flat(encode_index([8, 7, 8]), 8, "x")
    swapped = np.array([[8, 8], [0, 8]], dtype="<u8").tobytes()
    absent = np.array([[0, 8], [2**64 - 1, 2**64 - 1]], dtype="<u8").tobytes()
    assert not is_flat(zarr_format.with_crc(swapped), 8, "x")
    assert not is_flat(zarr_format.with_crc(absent), 8, "x")
    with pytest.raises(IntegrityError, match="checksum"):
        is_flat(encode_index([8, 8])[:-1] + b"\0", 8, "x")
