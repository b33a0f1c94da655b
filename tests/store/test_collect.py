"""Garbage collection removes old data and keeps all that a reader may still want."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import affectstore
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.collect import collect
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter

Clip = Callable[..., ClipArrays]
WriteShard = Callable[..., Ledger]
DAY = 24 * 3600.0


@pytest.fixture
def history(published: Path, clip: Clip, write_shard: WriteShard) -> dict[str, Path]:
    """Three generations of shard 0: published, published after it, extracted and not published yet."""
    mel = published / "mel"
    folders = {"old": mel / Ledger.read(mel / "shards" / "0.json").data}
    folders["old catalog"] = next((mel / "catalogs").iterdir())
    folders["present"] = mel / write_shard(mel, "0", {"a": clip(8)}).data
    folders["present catalog"] = commit(mel, ["0", "1"], {}).kept_path(mel)
    folders["next"] = mel / write_shard(mel, "0", {"a": clip(9)}).data
    folders["never"] = mel / write_shard(mel, "2", {"z": clip(9)}).data
    (mel / "shards" / "2.json").unlink()
    return folders


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


def existing(history: dict[str, Path]) -> set[str]:
    return {name for name, path in history.items() if path.exists()}


def test_nothing_young_goes(published: Path, history: dict[str, Path]) -> None:
    assert collect(published / "mel") == []
    for path in history.values():
        if path.is_dir():
            age(path, 9)  # written long ago, but in use until today
    assert {piece.path for piece in collect(published / "mel")} == {history["never"]}
    assert existing(history) == history.keys() - {"never"}


def test_what_was_replaced_long_ago_goes(published: Path, history: dict[str, Path]) -> None:
    for path in history.values():
        age(path, 3)
    age(history["old catalog"], 5)
    planned = collect(published / "mel", dry_run=True)
    assert existing(history) == history.keys()
    removed = collect(published / "mel")
    assert {piece.path for piece in removed} == {piece.path for piece in planned}
    assert existing(history) == {"present", "present catalog", "next"}
    assert all(piece.bytes > 0 and piece.reason for piece in removed)
    mel = affectstore.open(published)["mel"]
    assert list(mel) == ["a", "c"]


def test_without_grace_only_what_is_named_stays(published: Path, history: dict[str, Path], clip: Clip) -> None:
    collect(published / "mel", 0)
    assert existing(history) == {"present", "present catalog", "next"}
    commit(published / "mel", ["0", "1"], {})
    np.testing.assert_array_equal(affectstore.open(published)["mel"]["a"], clip(9).arrays["values"])


def test_a_deleted_catalog_makes_nothing_unused(published: Path, history: dict[str, Path]) -> None:
    (published / "mel" / "catalog.json").unlink()
    collect(published / "mel", 0)
    assert {"present", "present catalog", "next"} <= existing(history)


def test_a_reader_of_the_old_snapshot_is_served_within_the_grace(
    published: Path, clip: Clip, write_shard: WriteShard
) -> None:
    reader = affectstore.open(published)["mel"]
    write_shard(published / "mel", "0", {"a": clip(8)})
    commit(published / "mel", ["0", "1"], {})
    collect(published / "mel", DAY)
    np.testing.assert_array_equal(reader["a"], clip(1).arrays["values"])
    collect(published / "mel", 0)
    np.testing.assert_array_equal(reader["a"], clip(1).arrays["values"])  # mapped already


def test_shards_being_written_are_left_alone(
    published: Path, history: dict[str, Path], mel: tuple[ArraySpec, ...], clip: Clip
) -> None:
    with ShardWriter(published / "mel", "0", "d", mel, {}, "zarr") as writer:
        writer.append("a", "k", clip(1))
        collect(published / "mel", 0)
        assert {"old", "present", "next"} <= existing(history)
        assert "never" not in existing(history)
        writer.finish()


def test_leftovers_of_dead_writers_go(published: Path) -> None:
    shards = published / "mel" / "shards"
    dead = shards / ".0.tmp-0123456789abcdef"
    (dead / "values").mkdir(parents=True)
    document = published / "mel" / ".catalog.json.abcd1234"
    document.write_text("{")
    assert [piece.path for piece in collect(published / "mel", 0)] == [dead]
    age(document, 1)
    assert [piece.path for piece in collect(published / "mel", 0)] == [document]
    assert (shards / "0.json").exists()


def test_an_unreadable_ledger_keeps_its_shards_data(published: Path, history: dict[str, Path]) -> None:
    (published / "mel" / "shards" / "0.json").write_text("{")
    collect(published / "mel", 0)
    assert {"old", "present", "next"} <= existing(history)
