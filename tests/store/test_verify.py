"""Damage of any kind is found and named by `verify`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec
from affectstore.store.verify import verify_feature, verify_tables

Clip = Callable[..., ClipArrays]
WriteShard = Callable[..., Ledger]


@pytest.fixture(params=["none", "zstd", "jpeg", "hdf5"])
def feature(request: pytest.FixtureRequest, tmp_path: Path, clip: Clip, write_shard: WriteShard) -> Path:
    """A published feature of images with boxes, under every codec and in both containers."""
    codec, container = ("none", "hdf5") if request.param == "hdf5" else (request.param, "zarr")
    specs = (
        ArraySpec("values", "uint8", ("frame", "height", "width"), (8, 8), codec),
        ArraySpec("box", "float32", ("frame", "corner"), (4,)),
    )
    folder = tmp_path / "corpus" / "faces"
    clips = {"a": clip(1, specs=specs), "b": clip(2, rows=7, specs=specs), "mute": "no face"}
    write_shard(folder, "0", clips, specs=specs, container=container)
    write_shard(folder, "1", {"c": clip(3, specs=specs)}, specs=specs, container=container)
    commit(folder, ["0", "1"], {})
    return folder


def test_a_sound_feature_is_sound(feature: Path) -> None:
    report = verify_feature(feature)
    assert report.problems == ()
    assert report.notes == ()
    assert report.summary.startswith("3 clips, 1 failed")


def test_a_flipped_byte_is_found_wherever_it_is(feature: Path) -> None:
    """Every byte counts, except unused ones of HDF5 files, which no dataset holds."""
    data = feature / Catalog.read(feature).shards[0].data
    for path in sorted(data.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        sound = 0
        positions = range(0, len(content), max(1, len(content) // 7))
        for position in positions:
            changed = bytearray(content)
            changed[position] ^= 0x10
            path.write_bytes(changed)
            report = verify_feature(feature)
            sound += not report.problems
            assert not report.problems or str(data) in report.problems[0]
        path.write_bytes(content)
        assert sound == 0 or path.suffix == ".h5", f"{sound} of {len(positions)} changes of {path} were not seen"
    assert verify_feature(feature).problems == ()


def test_flipped_values_are_named_by_clip_in_hdf5_too(tmp_path: Path, clip: Clip, write_shard: WriteShard) -> None:
    import h5py

    ledger = write_shard(tmp_path / "mel", "0", {"a": clip(1), "b": clip(2)}, container="hdf5")
    with h5py.File(tmp_path / "mel" / ledger.data / "data.h5", "r+") as file:
        file["values"][5, 2] += 1
    assert any("clip 'b'" in problem for problem in verify_feature(tmp_path / "mel").problems)


def test_missing_and_added_files_are_found(feature: Path) -> None:
    data = feature / Catalog.read(feature).shards[1].data
    (data / "extra").write_text("x")
    assert "does not belong there" in verify_feature(feature).problems[0]
    (data / "extra").unlink()
    victim = next(path for path in data.rglob("*") if path.is_file() and path.name != "ledger.json")
    victim.unlink()
    assert "is missing" in verify_feature(feature).problems[0]
    shutil.rmtree(data)
    assert f"{data} is missing" in verify_feature(feature).problems[0]


def test_a_changed_catalog_or_ledger_is_found(published: Path) -> None:
    mel = published / "mel"
    for name, old, new in (
        ("catalog.json", b'"rows":7', b'"rows":8'),
        ("shards/0.json", b'"no sound"', b'"no sounx"'),
        ("shards/0.json", b'{"format":1', b'{"format":7'),
        ("catalog.json", b'{"format', b"{format"),
    ):
        content = (mel / name).read_bytes()
        assert old in content
        (mel / name).write_bytes(content.replace(old, new))
        report = verify_feature(mel)
        assert report.problems, (name, new)
        assert name in report.problems[0] or "catalog" in report.problems[0]
        (mel / name).write_bytes(content)
    assert verify_feature(mel).problems == ()


def test_swapped_data_folders_are_found(published: Path) -> None:
    mel = published / "mel"
    one, two = (mel / shard.data for shard in Catalog.read(mel).shards)
    one.rename(mel / "aside")
    two.rename(one)
    (mel / "aside").rename(two)
    problems = verify_feature(mel).problems
    assert len(problems) == 2
    assert all("holds the content of" in problem for problem in problems)


def test_work_in_progress_is_a_note(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    mel = published / "mel"
    write_shard(mel, "0", {"a": clip(8)})
    (mel / "shards" / "1.json").unlink()
    (mel / "shards" / "1.stats").write_text("{}")
    report = verify_feature(mel)
    assert report.problems == ()
    assert report.notes == ("shard 0 was extracted and is not published yet", "shard 1 is published and has no ledger")
    (mel / "catalog.json").unlink()
    assert "catalog.json is missing" in verify_feature(mel).notes[0]
    shutil.rmtree(mel / "catalogs")
    report = verify_feature(mel)
    assert (report.problems, report.summary) == ((), "not published, 1 shards extracted")


def test_tables_are_read(published: Path) -> None:
    assert verify_tables(published) == []
    (published / "clips.parquet").write_bytes(b"PAR1 but not really")
    assert "cannot be read" in verify_tables(published)[0]
