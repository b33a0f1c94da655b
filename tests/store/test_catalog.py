"""Publish features, find damage in shards, and find earlier results by key."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zarr

from affectstore.errors import IntegrityError, StoreError
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.keys import find_keys, restore_ledger
from affectstore.store.index.ledger import ClipEntry, Ledger

Clip = Callable[..., ClipArrays]
WriteShard = Callable[..., Ledger]


def test_a_catalog_is_a_function_of_the_data(published: Path) -> None:
    first = (published / "mel" / "catalog.json").read_bytes()
    catalog = commit(published / "mel", ["0", "1"], {"options": {"n_mels": 5}})
    assert (published / "mel" / "catalog.json").read_bytes() == first == catalog.encoded
    assert Catalog.read(published / "mel") == catalog
    assert [path.name for path in (published / "mel" / "catalogs").iterdir()] == [f"{catalog.digest[:12]}.json"]
    assert [catalog.count(name) for name in ("ok", "failed", "not_applicable", "rows")] == [3, 1, 1, 8]
    assert str(catalog).startswith("3 clips, 1 failed, 1 not applicable, 2 shards")


def test_the_group_is_readable_by_zarr(published: Path) -> None:
    group = zarr.open_group(published / "mel", mode="r")
    own = dict(group.attrs)
    assert own["options"] == {"n_mels": 5}
    shards = [group[path] for path in own["affectstore"]["data"]]
    assert [shard["values"].shape for shard in shards] == [(7, 5), (1, 5)]
    assert shards[0]["values"].metadata.dimension_names == ("column", "band")


def test_a_thousand_shards_make_a_small_catalog(published: Path) -> None:
    catalog = Catalog.read(published / "mel")
    assert len(replace(catalog, shards=catalog.shards * 500).encoded) < 1_000_000


def test_missing_disagreeing_or_broken_shards_stay_out(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    mel = published / "mel"
    before = (mel / "catalog.json").read_bytes()
    with pytest.raises(StoreError, match=r"no ledger .*2\.json"):
        commit(mel, ["0", "1", "2"], {})
    write_shard(mel, "2", {"d": clip(4)}, digest="cd" * 32)
    with pytest.raises(StoreError, match=r"different settings \(abababababab: 0, 1; cdcdcdcdcdcd: 2\)"):
        commit(mel, ["0", "1", "2"], {})
    write_shard(mel, "2", {"a": clip(4)})
    with pytest.raises(StoreError, match="'a' is in the shards '0' and '2'"):
        commit(mel, ["0", "1", "2"], {})
    ledger = write_shard(mel, "2", {"d": clip(4)})
    (mel / ledger.data / "status" / "c" / "0").unlink()
    with pytest.raises(IntegrityError, match="status/c/0 is missing"):
        commit(mel, ["0", "1", "2"], {})
    assert (mel / "catalog.json").read_bytes() == before


def test_damage_of_every_file_is_found(published: Path) -> None:
    mel = published / "mel"
    ledger = Ledger.read(mel / "shards" / "0.json")
    assert ledger.find_damage(mel) is None
    for name in [*ledger.files, "ledger.json"]:
        path = mel / ledger.data / name
        kept = path.read_bytes()
        path.unlink()
        assert "is missing" in str(ledger.find_damage(mel))
        if name != "ledger.json":
            path.write_bytes(kept[:-1])
            assert f"{len(kept) - 1} bytes instead of {len(kept)}" in str(ledger.find_damage(mel))
        path.write_bytes(kept)
    assert ledger.find_damage(mel) is None
    shutil.rmtree(mel / ledger.data)
    assert "is missing" in str(ledger.find_damage(mel))


def test_a_ledger_is_restored_from_the_data(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    mel = published / "mel"
    path = mel / "shards" / "0.json"
    kept = path.read_bytes()
    ledger = Ledger.read(path)
    os.utime(mel / ledger.data / "ledger.json", ns=(10**18, 10**18))
    keys = ledger.keys()
    write_shard(mel, "0", {"a": clip(8)})
    path.unlink()
    for wrong in ({**keys, "a": "other"}, {**keys, "d": "more"}, {"a": keys["a"], "b": keys["b"]}):
        assert restore_ledger(mel, "0", ledger.feature_digest, wrong) is None
    assert restore_ledger(mel, "0", "other", keys) is None
    assert restore_ledger(mel, "1", ledger.feature_digest, keys) is None
    assert not path.exists()
    assert restore_ledger(mel, "0", ledger.feature_digest, keys) == ledger
    assert path.read_bytes() == kept
    assert path.stat().st_mtime_ns == 10**18
    path.unlink()
    (mel / ledger.data / "values" / "zarr.json").unlink()
    assert restore_ledger(mel, "0", ledger.feature_digest, keys) is None


def test_keys_are_found_in_every_generation(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    mel = published / "mel"
    old = Ledger.read(mel / "shards" / "0.json")
    new = write_shard(mel, "0", {"a2": clip(8)})
    found = find_keys(mel, {"key-a", "key-a2", "key-c", "key-mute", "key-none"}, "0")
    assert found == {
        "key-a": (mel / old.data, "a"),
        "key-a2": (mel / new.data, "a2"),
        "key-c": (mel / Ledger.read(mel / "shards" / "1.json").data, "c"),
        "key-mute": (mel / old.data, "mute"),
    }
    (mel / old.data / "ledger.json").write_text("{")
    (mel / new.data / "values" / "c" / "0" / "0").write_bytes(b"short")
    assert find_keys(mel, {"key-a", "key-a2", "key-c"}, "0").keys() == {"key-c"}
    assert find_keys(mel / "nowhere", {"key-a"}, "0") == {}


def test_keys_of_the_shards_own_come_first(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    mel = published / "mel"
    write_shard(mel, "00", {"c": clip(3, rows=1)})
    own = write_shard(mel, "5", {"c": clip(3, rows=1)})
    assert find_keys(mel, {"key-c"}, "5") == {"key-c": (mel / own.data, "c")}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"data": "shards/../../../etc-0123456789ab"},
        {"data": "shards/1-0123456789ab"},
        {"files": {"../../x": 1}},
        {"files": {"/etc/passwd": 1}},
        {"columns": ["clip_id"]},
        {"clips": [["a"]]},
        {"clips": 5},
    ],
)
def test_ledgers_that_are_none_are_refused(published: Path, change: dict[str, object]) -> None:
    path = published / "mel" / "shards" / "0.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(StoreError, match=r"0\.json"):
        Ledger.read(path)


def test_half_a_ledger_or_catalog_is_refused(published: Path) -> None:
    for path, read in (
        (published / "mel" / "shards" / "0.json", Ledger.read),
        (published / "mel" / "catalog.json", lambda path: Catalog.read(path.parent)),
    ):
        content = path.read_bytes()
        for cut in (0, 1, len(content) // 2, len(content) - 3):
            path.write_bytes(content[:cut])
            with pytest.raises(IntegrityError, match="is not a whole"):
                read(path)


def test_catalogs_do_not_lead_out_of_the_feature(published: Path) -> None:
    path = published / "mel" / "catalog.json"
    written = json.loads(path.read_bytes())
    written["shards"][0]["data"] = "shards/../../../0-0123456789ab"
    path.write_text(json.dumps(written))
    with pytest.raises(IntegrityError, match="is none of shard"):
        Catalog.read(published / "mel")


def test_a_ledger_of_a_thousand_clips_is_small(published: Path) -> None:
    """Ledgers stay under 1 MB, up to which Snakemake compares files by content."""
    ledger = Ledger.read(published / "mel" / "shards" / "0.json")
    clips = tuple(ClipEntry(f"1001_DFA_ANG_XX_{i:06d}", "a" * 64, "ok", "", 200, "b" * 64) for i in range(1000))
    assert len(Ledger(1, ledger.feature_digest, "0", ledger.data, ledger.files, clips).encoded) < 300_000
