"""Text, arrays with one row per clip, and unknown numbers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zarr

import affectstore
from affectstore.errors import ClipError, StoreError
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec
from affectstore.store.verify import verify_feature
from affectstore.store.writer import ShardWriter

WriteShard = Callable[..., Ledger]
TEXT = np.dtypes.StringDType()
SPECS = (
    ArraySpec("values", "str", ("word",), codec="utf8"),
    ArraySpec("times", "float64", ("word",), unit="s", allow_nan=True),
    ArraySpec("cls", "float16", ("clip", "feature"), (3,), granularity="clip"),
    ArraySpec("source", "str", ("clip",), codec="utf8", granularity="clip"),
)


def words(*text: str, times: tuple[float, ...] | None = None, cls: float = 1.0, source: str = "text") -> ClipArrays:
    return ClipArrays(
        {
            "values": np.array(text, dtype=TEXT),
            "times": np.full(len(text), np.nan) if times is None else np.array(times),
            "cls": np.full((1, 3), cls, dtype=np.float16),
            "source": np.array([source], dtype=TEXT),
        }
    )


CLIPS = {
    "a": words("don't", "", "naïve 🙂 word"),
    "bad": "nobody speaks",
    "b": words("x" * 300, times=(0.5,), cls=2.0, source="asr"),
    "c": words("last", "words", times=(0.1, 0.2), cls=3.0),
}


@pytest.mark.parametrize("container", ["zarr", "hdf5"])
def test_round_trip(tmp_path: Path, write_shard: WriteShard, container: str) -> None:
    write_shard(tmp_path / "c" / "words", "0", CLIPS, specs=SPECS, container=container)
    commit(tmp_path / "c" / "words", ["0"], {})
    feature = affectstore.open(tmp_path / "c")["words"]
    assert feature["a"].tolist() == ["don't", "", "naïve 🙂 word"]
    assert feature["a"].dtype == TEXT
    assert not feature["a"].flags.writeable
    assert feature.take("c", [1, 0]).tolist() == ["words", "last"]
    assert np.isnan(feature.array("a", "times")).all()
    assert feature.array("b", "times").tolist() == [0.5]
    for clip_id, cls, source in (("a", 1, "text"), ("b", 2, "asr"), ("c", 3, "text")):
        assert feature.array(clip_id, "cls").tolist() == [[cls] * 3]
        assert feature.array(clip_id, "source").tolist() == [source]
        arrays = feature.arrays(clip_id)
        assert arrays.rows == feature.rows(clip_id)
        assert arrays.arrays["cls"].shape == (1, 3)
    values, mask = feature.batch(["b", "c"])
    assert values.tolist() == [["x" * 300, ""], ["last", "words"]]
    assert mask.tolist() == [[True, False], [True, True]]
    report = verify_feature(tmp_path / "c" / "words")
    assert report.problems == ()


def test_clips_are_copied_unchanged(tmp_path: Path, write_shard: WriteShard) -> None:
    first = write_shard(tmp_path / "one", "0", CLIPS, specs=SPECS)
    reader = ShardReader(tmp_path / "one" / first.data)
    with ShardWriter(tmp_path / "two", "0", "d", SPECS, {}) as writer:
        for clip_id in ("c", "bad", "a"):
            writer.copy(reader, clip_id, clip_id, "key")
        second = writer.finish()
    copied = ShardReader(tmp_path / "two" / second.data)
    assert copied.arrays("a").arrays["values"].tolist() == CLIPS["a"].arrays["values"].tolist()
    assert copied.arrays("a").arrays["cls"].tolist() == [[1, 1, 1]]
    assert copied.arrays("c").arrays["cls"].tolist() == [[3, 3, 3]]


def test_any_reader_finds_the_words(tmp_path: Path, write_shard: WriteShard) -> None:
    ledger = write_shard(tmp_path, "0", CLIPS, specs=SPECS)
    group = zarr.open_group(tmp_path / ledger.data, mode="r")
    joined, cuts = group["values"][:].tobytes(), group["values_offsets"][:]
    assert [joined[a:b].decode() for a, b in pairwise(cuts)][-2:] == ["last", "words"]
    assert group["cls"].shape == (3, 3)  # one row for each clip of status 0
    assert group["status"][:].tolist() == [0, 1, 0, 0]


def test_nan_is_allowed_only_where_declared(tmp_path: Path) -> None:
    given = words("a", times=(np.inf,))
    with ShardWriter(tmp_path, "0", "d", SPECS, {}) as writer:
        with pytest.raises(ClipError, match="infinite"):
            writer.append("x", "k", given)
        two = dict(words("a").arrays, cls=np.zeros((2, 3), np.float16))
        with pytest.raises(StoreError, match="one per clip"):
            writer.append("x", "k", ClipArrays(two))
        unknown = dict(words("a").arrays, cls=np.full((1, 3), np.nan, np.float16))
        with pytest.raises(ClipError, match="not finite"):
            writer.append("x", "k", ClipArrays(unknown))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"dtype": "str"}, "codec utf8"),
        ({"dtype": "uint8", "codec": "utf8"}, "codec utf8"),
        ({"dtype": "str", "codec": "utf8", "dims": ("word", "letter"), "shape": (4,)}, "one string per row"),
        ({"name": "values", "granularity": "clip", "dims": ("clip",)}, "not 'values'"),
        ({"granularity": "clip"}, "named 'clip'"),
        ({"dtype": "int64", "allow_nan": True}, "int64 has no NaN"),
    ],
)
def test_declarations_that_contradict_themselves(declared: dict[str, object], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        ArraySpec(**{"name": "extra", "dtype": "float32", "dims": ("word",), **declared})


def test_a_declaration_survives_json() -> None:
    for spec in SPECS:
        assert ArraySpec.from_json(spec.to_json()) == spec
