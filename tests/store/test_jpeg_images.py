"""Images stored as JPEG."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

import affectstore
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

WriteShard = Callable[..., Ledger]
GRID = Grid(Fraction(0), Fraction(24))


def smooth_images(count: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Make images of waves of different phase, which JPEG compresses well."""
    height, width, *channels = shape
    rows, columns = np.mgrid[0:height, 0:width]
    phases = np.random.default_rng(seed).random((count, channels[0] if channels else 1)) * 6
    waves = np.sin(rows / 9 + columns / 13 + phases[:, :, None, None])
    images = np.moveaxis((waves + 1) * 127, 1, -1).astype(np.uint8)
    return np.ascontiguousarray(images if channels else images[..., 0])


@pytest.mark.parametrize("container", ["zarr", "hdf5"])
@pytest.mark.parametrize("shape", [(32, 48, 3), (33, 47), (16, 16, 1)])
def test_round_trip(tmp_path: Path, write_shard: WriteShard, shape: tuple[int, ...], container: str) -> None:
    dims = ("frame", "height", "width", "channel")[: len(shape) + 1]
    specs = (ArraySpec("values", "uint8", dims, shape, "jpeg"),)
    images = {"a": smooth_images(3, shape, 1), "b": smooth_images(5, shape, 2)}
    clips = {clip_id: ClipArrays({"values": values}, GRID) for clip_id, values in images.items()}
    write_shard(tmp_path / "c" / "frames", "0", {"bad": "no frames", **clips}, specs=specs, container=container)
    commit(tmp_path / "c" / "frames", ["0"], {})
    frames = affectstore.open(tmp_path / "c")["frames"]
    assert frames.spec.shape == shape
    for clip_id, values in images.items():
        found = frames[clip_id]
        assert (found.shape, found.dtype) == (values.shape, np.uint8)
        assert np.abs(found.astype(int) - values).mean() < 2
        assert not found.flags.writeable
    np.testing.assert_array_equal(frames.at("b", 1 / 24, 3 / 24), frames["b"][1:3])


def test_any_reader_finds_the_images(tmp_path: Path, write_shard: WriteShard) -> None:
    specs = (ArraySpec("values", "uint8", ("frame", "height", "width", "channel"), (32, 32, 3), "jpeg"),)
    values = smooth_images(4, (32, 32, 3))
    ledger = write_shard(tmp_path, "0", {"a": ClipArrays({"values": values}, GRID)}, specs=specs)
    group = zarr.open_group(tmp_path / ledger.data, mode="r")
    offsets, joined = group["values_offsets"][:], group["values"][:]
    assert (len(offsets), offsets[0], offsets[-1]) == (5, 0, len(joined))
    with Image.open(io.BytesIO(joined[offsets[2] : offsets[3]].tobytes())) as image:
        np.testing.assert_array_equal(
            np.asarray(image), ShardReader(tmp_path / ledger.data).arrays("a").arrays["values"][2]
        )
        assert image.format == "JPEG"


def test_copies_are_not_coded_again(tmp_path: Path, write_shard: WriteShard) -> None:
    specs = (ArraySpec("values", "uint8", ("frame", "height", "width"), (24, 24), "jpeg"),)
    noise = np.random.default_rng(0).integers(0, 255, (3, 24, 24), dtype=np.uint8)
    clips = {"x": ClipArrays({"values": noise[:1]}, GRID), "a": ClipArrays({"values": noise}, GRID)}
    old = write_shard(tmp_path, "0", clips, specs=specs)
    reader = ShardReader(tmp_path / old.data)
    for generation in range(1, 4):
        with ShardWriter(tmp_path, str(generation), "d", specs, {}, "zarr") as writer:
            writer.copy(reader, "a", "a", "key")
            new = writer.finish()
        assert new.clips[0].digest == old.clips[1].digest
        reader = ShardReader(tmp_path / new.data)
    np.testing.assert_array_equal(
        reader.arrays("a").arrays["values"], ShardReader(tmp_path / old.data).arrays("a").arrays["values"]
    )
