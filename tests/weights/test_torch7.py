"""Reader of `.t7` files: values, refusals, and safety against hostile files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.torch7_file import Instance, Raw, write_torch7

from affectstore.errors import ConfigError
from affectstore.weights.torch7 import Layer, read_torch7

#: A 2 x 3 tensor of floats as Torch7 writes it, by hand from the documentation, not by the writer of these tests.
BY_HAND = (
    "04000000 01000000 03000000 562031 11000000 746f7263682e466c6f617454656e736f72"  # instance 1, V 1, FloatTensor
    "02000000 0200000000000000 0300000000000000"  # two dimensions, 2 x 3
    "0300000000000000 0100000000000000 0100000000000000"  # strides 3 and 1, from the first number on
    "04000000 02000000 03000000 562031 12000000 746f7263682e466c6f617453746f72616765"  # instance 2, FloatStorage
    "0600000000000000 0000803f 00000040 00004040 00008040 0000a040 0000c040"  # 1 2 3 4 5 6
)


def test_the_bytes_of_a_tensor(tmp_path: Path) -> None:
    (tmp_path / "t7").write_bytes(bytes.fromhex(BY_HAND))
    read = read_torch7(tmp_path / "t7")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, [[1, 2, 3], [4, 5, 6]])
    assert not read.flags.writeable
    assert write_torch7(tmp_path / "own", read).read_bytes() == bytes.fromhex(BY_HAND)


def test_values_of_every_kind(tmp_path: Path) -> None:
    value = {1: 2.5, "text": "Grüße", "yes": True, "no": False, "nothing": None, 2: {}, 0.5: "half"}
    assert read_torch7(write_torch7(tmp_path / "t7", value)) == value


def test_a_layer_is_its_fields(tmp_path: Path) -> None:
    weight = np.arange(6.0).reshape(2, 3)
    layer = read_torch7(write_torch7(tmp_path / "t7", Instance("nn.Linear", {"weight": weight, "train": False})))
    assert isinstance(layer, Layer)
    assert layer.kind == "nn.Linear"
    assert layer.fields["weight"].dtype == np.float64
    np.testing.assert_array_equal(layer.fields["weight"], weight)


def test_files_from_before_versions(tmp_path: Path) -> None:
    content = bytes.fromhex(BY_HAND).replace(b"\x03\x00\x00\x00V 1", b"")
    (tmp_path / "t7").write_bytes(content)
    np.testing.assert_array_equal(read_torch7(tmp_path / "t7"), [[1, 2, 3], [4, 5, 6]])


def test_what_is_shared_and_what_holds_itself(tmp_path: Path) -> None:
    tensor = np.ones(3, np.float32)
    value: dict = {"a": tensor, "b": tensor}
    value["self"] = value
    read = read_torch7(write_torch7(tmp_path / "t7", value))
    assert read["a"] is read["b"]
    assert read["self"] is read


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    dtype=st.sampled_from(["float32", "float64", "int64", "uint8"]),
    repeat=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tensors_of_any_shape_and_stride(tmp_path: Path, shape, dtype: str, repeat: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 100, shape).astype(dtype)
    array = array.transpose(rng.permutation(array.ndim))
    if repeat:
        array = np.broadcast_to(array, (3, *array.shape))
    read = read_torch7(write_torch7(tmp_path / "t7", array))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_an_empty_tensor_has_no_storage(tmp_path: Path) -> None:
    (tmp_path / "t7").write_bytes(bytes.fromhex(BY_HAND)[:36] + struct.pack("<iqi", 0, 1, 0))
    assert read_torch7(tmp_path / "t7").shape == (0,)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Raw(struct.pack("<i", 6)), "a function, which is code"),
        (Raw(struct.pack("<i", 7)), "a function, which is code"),
        (Raw(struct.pack("<i", 8)), "a function, which is code"),
        ({"f": Raw(struct.pack("<i", 8))}, "a function, which is code"),
        (Instance("tds.Hash", {}), "an instance of 'tds.Hash'"),
        (Instance("os.execute", {}), "neither a tensor nor a layer"),
        (Instance("nn.Linear", 3.0), "an nn.Linear without fields"),
        (Raw(b"4\n1\n3\nV 1\n"), "unknown type .* is this Torch7's binary form"),
        (Raw(b"<html>"), "unknown type"),
        (Raw(b"\x03"), "truncated"),
        (Raw(struct.pack("<iiiiii", 3, 1, 1, 3, 2, 0) + struct.pack("<i", 0)), "a table with a key of type dict"),
    ],
)
def test_what_is_refused(tmp_path: Path, value: object, reason: str) -> None:
    path = write_torch7(tmp_path / "t7", value)
    with pytest.raises(ConfigError, match=reason) as error:
        read_torch7(path)
    assert str(path) in str(error.value)


def tensor_bytes(dimensions: int, longs: list[int], numbers: int = 6) -> bytes:
    head, tail = bytes.fromhex(BY_HAND)[:36], bytes.fromhex(BY_HAND)[36 + 4 + 40 :]
    tail = tail[:-32] + struct.pack("<q", numbers) + tail[-24:]
    return head + struct.pack("<i", dimensions) + b"".join(struct.pack("<q", number) for number in longs) + tail


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tensor_bytes(2, [2, 4, 3, 1, 1]), "needs 7 numbers of a storage of 6"),
        (tensor_bytes(2, [2, 3, 3, 1, 2]), "needs 7 numbers of a storage of 6"),
        (tensor_bytes(2, [2, 3, 2**62, 1, 1]), "numbers of a storage of 6"),
        (tensor_bytes(2, [2, 3, -3, 1, 4]), "strides"),
        (tensor_bytes(2, [-2, 3, 3, 1, 1]), "sizes"),
        (tensor_bytes(2, [2, 3, 3, 1, 0]), "offset -1"),
        (tensor_bytes(-1, []), "a tensor of -1 dimensions"),
        (tensor_bytes(2**30, []), "dimensions"),
        (tensor_bytes(2, [2, 3, 3, 1, 1], numbers=2**61), "truncated"),
        (tensor_bytes(2, [2, 3, 3, 1, 1], numbers=-1), "truncated"),
    ],
)
def test_a_tensor_cannot_reach_outside_its_storage(tmp_path: Path, content: bytes, reason: str) -> None:
    assert tensor_bytes(2, [2, 3, 3, 1, 1]) == bytes.fromhex(BY_HAND)
    (tmp_path / "t7").write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        read_torch7(tmp_path / "t7")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    fields = {"weight": np.ones((2, 2), np.float32), "name": "x", "on": True}
    content = write_torch7(tmp_path / "t7", Instance("nn.Linear", fields)).read_bytes()
    for length in range(len(content)):
        (tmp_path / "t7").write_bytes(content[:length])
        with pytest.raises(ConfigError):
            read_torch7(tmp_path / "t7")


def test_objects_within_objects_without_end(tmp_path: Path) -> None:
    table = b"".join(struct.pack("<iii", 3, k, 1) + struct.pack("<id", 1, 1) for k in range(1, 1001))
    (tmp_path / "t7").write_bytes(table)
    with pytest.raises(ConfigError, match="objects within objects"):
        read_torch7(tmp_path / "t7")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_torch7(tmp_path / "t7")


@given(position=st.integers(0, 150), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_gives_a_value_or_a_reason(tmp_path: Path, position: int, value: int) -> None:
    fields = {"weight": np.ones((2, 2), np.float32), "name": "x", 1: {2: 3.0}}
    content = bytearray(write_torch7(tmp_path / "t7", Instance("nn.Linear", fields)).read_bytes())
    content[position % len(content)] = value
    (tmp_path / "t7").write_bytes(content)
    try:
        read = read_torch7(tmp_path / "t7")
    except ConfigError:
        return
    if isinstance(read, Layer) and isinstance(read.fields.get("weight"), np.ndarray):
        read.fields["weight"].sum()
