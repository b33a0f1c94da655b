"""Search for RAVDESS' files: folders, depths, and other files beside them."""

import os
from pathlib import Path

import pandas as pd
import pytest
from support import small_ravdess as small
from support.small_ravdess import ANGRY, CALM, FILES, NEUTRAL, SUNG, notes, reasons

from affectstore.corpora.ravdess import CARD, find
from affectstore.errors import CorpusError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small.write_every_kind(tmp_path / "ravdess")


@pytest.mark.parametrize("layout", small.LAYOUTS)
def test_every_layout_gives_the_same_clips(root: Path, layout: str, tmp_path: Path):
    other = tmp_path / "other"
    small.write(other, FILES, layout)
    paths = ["audio_path", "video_path"]
    expected, got = find(root, {"channel": "both"}), find(other, {"channel": "both"})
    pd.testing.assert_frame_equal(got.clips.drop(columns=paths), expected.clips.drop(columns=paths))
    for column in paths:
        names = [found.clips[column].str.rpartition("/")[2].tolist() for found in (got, expected)]
        assert names[0] == names[1]
    assert (got.skipped, got.absent) == (expected.skipped, expected.absent)


def test_upper_case_suffixes(tmp_path: Path):
    small.write(tmp_path, [f"03-{ANGRY}.WAV", f"01-{ANGRY}.Mp4"], "actors")
    row = find(tmp_path, {}).clips.iloc[0]
    assert row["audio_path"] == f"Actor_12/03-{ANGRY}.WAV"
    assert row["video_path"] == f"Actor_12/01-{ANGRY}.Mp4"


def test_unpacked_twice_is_one_clip_each(root: Path):
    first = find(root, {})
    small.write(root, FILES, "nested")
    again = find(root, {})
    pd.testing.assert_frame_equal(again.clips, first.clips)  # those nearer to the root
    assert again.skipped == ()
    assert f"{len(FILES)} files are there twice (download/ravdess/" in notes(again)
    (root / small.where(FILES[0], "nested")).write_bytes(b"RIFF")
    path = small.where(FILES[0], "nested")
    other = reasons(find(root, {}))
    assert other == {path: f"a second file for the same name, of another size; {first.clips['audio_path'][2]} is used"}


def test_every_odd_file_is_a_row_with_a_reason(root: Path):
    folder = root / "Audio_Speech_Actors_01-24" / "Actor_12"
    odd = {
        "03-01-09-02-01-01-12.wav": "emotion '09'",
        "01-01-05-02-01-01-12.wav": "a recording of modality 01 (audio and video) is a .mp4 file",
        f"03-{ANGRY}.flac": "a recording of modality 03 (audio only) is a .wav file",
        "notes.wav": "1 fields",
        "03-01-05-02-01-02-12\t.wav": "control characters",
    }
    for name in odd:
        (folder / name).write_bytes(small.sound())
    (Path(os.fsdecode(os.fsencode(folder) + b"/03-01-05-02-01-02-1\xff.wav"))).write_bytes(small.sound())
    (folder / "03-01-05-02-01-02-12.wav").mkdir()
    for unmarked in (".DS_Store", f"._03-{NEUTRAL}.wav", "readme.txt", "table.csv"):
        (folder / unmarked).write_text("")
    (folder / "circle").symlink_to("circle")
    (folder / "back").symlink_to(root, target_is_directory=True)
    found = find(root, {})
    why = reasons(found)
    prefix = "Audio_Speech_Actors_01-24/Actor_12/"
    for name, words in odd.items():
        assert words in why[prefix + name.replace("\t", "\\x09")]
    assert why[f"{prefix}03-01-05-02-01-02-1\\xff.wav"] == "the name is not UTF-8"
    assert why[f"{prefix}03-01-05-02-01-02-12.wav"] == "a folder, not a media file"
    assert len(why) == len(found.skipped) == len(odd) + 2
    assert found.clips["clip_id"].tolist() == sorted([ANGRY, NEUTRAL, CALM])


def test_folders_that_are_too_deep_are_named(root: Path):
    deep = root.joinpath(*"abcdef")
    small.write(deep, [f"03-{ANGRY}.wav"], "actors")
    assert "folders that are too deep were not searched: a/b/c/d/e/f" in notes(find(root, {}))
    small.write(root.joinpath(*"abcd"), ["03-01-05-02-02-02-12.wav"], "actors")
    assert "a/b/c/d/Actor_12/03-01-05-02-02-02-12.wav" in find(root, {}).clips["audio_path"].tolist()


def test_archives_are_named(root: Path, tmp_path: Path):
    (root / "Video_Speech_Actor_03.zip").write_bytes(b"PK")
    assert "not unpacked: Video_Speech_Actor_03.zip" in find(root, {}).notes
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "Audio_Speech_Actors_01-24.zip").write_bytes(b"PK")
    with pytest.raises(CorpusError, match=r"found there: Audio_Speech_Actors_01-24\.zip; unpack"):
        find(packed, {})


def test_no_corpus_says_what_was_looked_for_and_where(tmp_path: Path):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorpusError) as error:
            find(root, {})
        for part in (str(root), "03-01-05-02-01-01-12.wav", "Video_Speech_Actor_12", CARD.url, "corpora.ravdess.root"):
            assert part in str(error.value)
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(CorpusError, match=r"found there: holiday\.jpg"):
        find(tmp_path, {})
    small.write(tmp_path, [f"03-{SUNG}.wav"])
    with pytest.raises(CorpusError, match="found there: 1 files of song"):
        find(tmp_path, {})
