"""Read a published feature."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import zarr

import affectstore
from affectstore.errors import IntegrityError, StoreError
from affectstore.store import feature as feature_module
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid, rows_overlapping

Clip = Callable[..., ClipArrays]
WriteShard = Callable[..., Ledger]


def test_clips_are_read_by_name(published: Path, clip: Clip) -> None:
    store = affectstore.open(published)
    mel = store["mel"]
    assert store.features == ("mel",)
    assert (list(mel), len(mel), mel.clip_ids) == (["a", "b", "c"], 3, ("a", "b", "c"))
    assert "a" in mel
    assert "mute" not in mel
    np.testing.assert_array_equal(mel["b"], clip(2, rows=3).arrays["values"])
    np.testing.assert_array_equal(mel.arrays("c").arrays["values"], clip(3, rows=1).arrays["values"])
    assert mel.grid("b") == Grid(Fraction(1, 30), Fraction(22050, 512))
    assert mel.attrs == {"options": {"n_mels": 5}}
    assert (mel.spec.unit, mel.spec.dims, mel.spec.shape) == ("dB", ("column", "band"), (5,))
    assert mel.catalog.rates == ("11025/256",)


def test_status_names_every_clip_and_reason(published: Path) -> None:
    table = affectstore.open(published)["mel"].status
    assert [tuple(row) for row in table.itertuples(index=False)] == [
        ("a", "ok", "", 4),
        ("b", "ok", "", 3),
        ("mute", "failed", "no sound", 0),
        ("c", "ok", "", 1),
        ("still", "not_applicable", "no picture", 0),
    ]


def test_errors_of_missing_clips_state_the_reason(published: Path) -> None:
    mel = affectstore.open(published)["mel"]
    with pytest.raises(KeyError, match=r"^clip 'mute' has no 'mel': failed: no sound$"):
        mel["mute"]
    with pytest.raises(KeyError, match="not applicable: no picture"):
        mel.grid("still")
    with pytest.raises(StoreError, match=r"has no clip 'mutes'; known: a, b, mute, c, still\. Did you mean 'mute'\?"):
        mel["mutes"]
    with pytest.raises(KeyError, match="no array 'box'; known: values"):
        mel.array("a", "box")


def test_values_are_mapped_not_copied_and_read_only(published: Path) -> None:
    mel = affectstore.open(published)["mel"]
    first, second = mel["a"], mel["a"]
    assert np.shares_memory(first, second)
    assert not first.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


def test_mapped_reads_equal_zarr_python(published: Path) -> None:
    mel = affectstore.open(published)["mel"]
    for shard in mel.catalog.shards:
        group = zarr.open_group(published / "mel" / shard.data, mode="r")
        reader = ShardReader(published / "mel" / shard.data)
        for clip_id in reader.clip_ids:
            if clip_id in mel:
                np.testing.assert_array_equal(mel[clip_id], group["values"][reader.rows(clip_id)])


def test_silence_is_mapped_too(tmp_path: Path, write_shard: WriteShard) -> None:
    silence = ClipArrays({"values": np.zeros((50_000, 5), "float32")}, Grid(Fraction(0), Fraction(1)))
    write_shard(tmp_path / "c" / "mel", "0", {"silence": silence})
    commit(tmp_path / "c" / "mel", ["0"], {})
    values = affectstore.open(tmp_path / "c")["mel"]["silence"]
    assert values.shape == (50_000, 5)
    assert not values.any()
    assert not values.flags.owndata


def test_arrays_that_are_not_flat_are_read_by_zarr(published: Path, clip: Clip) -> None:
    """An array that was rewritten with other chunks is not mapped, but has the same values."""
    data = published / "mel" / affectstore.open(published)["mel"].catalog.shards[0].data
    array = zarr.open_array(data / "values", mode="r")
    values, attributes = array[:], dict(array.attrs)
    zarr.create_array(data / "values", data=values, chunks=(2, 5), overwrite=True, attributes=attributes)
    mel = affectstore.open(published)["mel"]
    np.testing.assert_array_equal(mel["b"], clip(2, rows=3).arrays["values"])
    assert not mel["b"].flags.writeable


def test_a_damaged_index_is_not_mapped(published: Path) -> None:
    data = published / "mel" / affectstore.open(published)["mel"].catalog.shards[0].data
    file = data / "values" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[-6] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match="checksum"):
        affectstore.open(published)["mel"]["a"]
    file.write_bytes(content[:40])
    with pytest.raises(IntegrityError, match="too few"):
        affectstore.open(published)["mel"]["a"]


def test_batch_pads_and_masks(published: Path, clip: Clip) -> None:
    mel = affectstore.open(published)["mel"]
    values, mask = mel.batch(["c", "a", "b"])
    assert values.shape == (3, 4, 5)
    assert values.dtype == np.float32
    assert mask.tolist() == [[True, False, False, False], [True] * 4, [True, True, True, False]]
    np.testing.assert_array_equal(values[2, :3], clip(2, rows=3).arrays["values"])
    assert not values[0, 1:].any()
    values, mask = mel.batch([])
    assert (values.shape, mask.shape) == ((0, 0, 5), (0, 0))
    with pytest.raises(KeyError, match="no sound"):
        mel.batch(["a", "mute"])


@pytest.mark.parametrize(
    ("start_s", "end_s", "rows"),
    [
        (0, 10, (0, 10)),
        (0.2, 0.4, (2, 4)),
        (0.7, 0.8, (7, 8)),
        (0.75, 0.76, (7, 8)),
        (-1, 0.05, (0, 1)),
        (5, 9, (10, 10)),
        (0.3, 0.3, (3, 3)),
        (Fraction(1, 3), 0.5, (3, 5)),
    ],
)
def test_at_takes_the_rows_that_overlap(
    tmp_path: Path, write_shard: WriteShard, start_s: float, end_s: float, rows: tuple[int, int]
) -> None:
    """0.7 s is exactly a border of rows of 0.1 s, though no float equals it."""
    values = np.arange(50, dtype="float32").reshape(10, 5)
    other = ClipArrays({"values": values - 1}, Grid(Fraction(3), Fraction(1)))
    clips = {"x": other, "y": ClipArrays({"values": values}, Grid(Fraction(0), Fraction(10)))}
    write_shard(tmp_path / "c" / "mel", "0", clips)
    commit(tmp_path / "c" / "mel", ["0"], {})
    found = affectstore.open(tmp_path / "c")["mel"].at("y", start_s, end_s)
    np.testing.assert_array_equal(found, values[slice(*rows)])


def test_at_by_the_rows_own_times(tmp_path: Path, mel: tuple[ArraySpec, ...], write_shard: WriteShard) -> None:
    specs = (*mel, ArraySpec("times", "float64", ("column",), unit="s"))
    values, times = np.arange(15, dtype="float32").reshape(3, 5), np.array([0.5, 1.0, 3.0])
    write_shard(tmp_path / "c" / "mel", "0", {"a": ClipArrays({"values": values, "times": times}, None)}, specs=specs)
    commit(tmp_path / "c" / "mel", ["0"], {})
    feature = affectstore.open(tmp_path / "c")["mel"]
    assert feature.grid("a") is None
    assert feature.catalog.rates == ()
    np.testing.assert_array_equal(feature.at("a", 1.5, 2.0), values[1:2])
    np.testing.assert_array_equal(feature.at("a", 0.9, 3.5), values)
    with pytest.raises(ValueError, match="ends before it begins"):
        feature.at("a", 2.0, 1.0)


@pytest.mark.parametrize(
    ("span", "rows"),
    [
        ((0.0, 0.4), (0, 0)),
        ((0.0, 0.6), (0, 1)),
        ((1.0, 3.0), (1, 2)),
        ((4.9, 9.0), (2, 3)),
        ((5.0, 9.0), (3, 3)),
        ((0.7, 0.7), (0, 1)),
    ],
)
def test_rows_overlapping(span: tuple[float, float], rows: tuple[int, int]) -> None:
    """Rows span [0.5, 1), [1, 3), and [3, 5): the last is as long as the one before."""
    found = rows_overlapping(np.array([0.5, 1.0, 3.0]), *span)
    assert (found.start, found.stop) == rows


def test_a_reader_keeps_its_snapshot(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    opened = affectstore.open(published)["mel"]
    untouched = affectstore.open(published)["mel"]
    old = np.array(opened["a"])
    write_shard(published / "mel", "0", {"a": clip(8), "new": clip(9)})
    assert len(affectstore.open(published)["mel"]) == 3  # extracted, not published
    commit(published / "mel", ["0", "1"], {})
    np.testing.assert_array_equal(opened["a"], old)
    np.testing.assert_array_equal(untouched["a"], old)  # even if nothing was read before
    assert "new" not in untouched
    newer = affectstore.open(published)["mel"]
    np.testing.assert_array_equal(newer["a"], clip(8).arrays["values"])
    assert list(newer) == ["a", "new", "c"]


def test_a_deleted_catalog_leaves_the_last_snapshot(published: Path, clip: Clip, write_shard: WriteShard) -> None:
    write_shard(published / "mel", "0", {"a": clip(8)})
    commit(published / "mel", ["0", "1"], {})
    (published / "mel" / "catalog.json").unlink()
    np.testing.assert_array_equal(affectstore.open(published)["mel"]["a"], clip(8).arrays["values"])


def test_data_deleted_under_a_snapshot_is_an_error_that_says_so(published: Path) -> None:
    import shutil

    mel = affectstore.open(published)["mel"]
    shutil.rmtree(published / "mel" / mel.catalog.shards[1].data)
    with pytest.raises(IntegrityError, match="is gone"):
        mel["a"]


def test_features_travel_to_workers(published: Path, clip: Clip) -> None:
    store = affectstore.open(published)
    store["mel"]["a"]
    copy = pickle.loads(pickle.dumps(store["mel"]))
    np.testing.assert_array_equal(copy["a"], clip(1).arrays["values"])
    assert pickle.loads(pickle.dumps(store)).features == ("mel",)


def test_few_shards_stay_open(published: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_module, "_MOST_OPEN", 1)
    mel = affectstore.open(published)["mel"]
    for _ in range(3):
        held = mel["a"]
        np.testing.assert_array_equal(mel["c"], clip(3, rows=1).arrays["values"])
        np.testing.assert_array_equal(held, clip(1).arrays["values"])
        mel.grid("a")
