"""The files of the folder are the corpus: one row, or one reason, for every file."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from affectstore.corpora import synthetic
from affectstore.corpora.base import CLIP_COLUMNS
from affectstore.errors import ConfigError, CorpusError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "video").mkdir()
    for name in ("1002_IEO_HAP_LO.mp4", "1001_DFA_ANG_XX.mp4", "2345_WSI_NEU_XX.flv"):
        (tmp_path / "video" / name).write_bytes(b"x")
    return tmp_path


def test_rows(root: Path) -> None:
    found = synthetic.find(root, {})
    assert list(found.clips.columns) == list(CLIP_COLUMNS)
    assert {name: str(dtype) for name, dtype in found.clips.dtypes.items()} == dict(CLIP_COLUMNS)
    assert list(found.clips.clip_id) == ["1001_DFA_ANG_XX", "1002_IEO_HAP_LO", "2345_WSI_NEU_XX"]
    row = found.clips.iloc[1]
    assert (row.corpus, row.speaker, row.level, row.sentence, row.label_intended) == (
        "synthetic",
        "1002",
        "LO",
        "IEO",
        "HAP",
    )
    assert row.text == "It's eleven o'clock."
    assert row.audio_path == row.video_path == "video/1002_IEO_HAP_LO.mp4"
    missing = ["label_audio", "label_visual", "label_audiovisual", "votes_audio", "session", "known_bad", "end_s"]
    assert found.clips[missing].isna().all(axis=None)
    assert (found.skipped, found.absent, found.root) == ((), 0, root)


def test_added_deleted_and_renamed_files(root: Path) -> None:
    (root / "video" / "1003_TSI_SAD_XX.mp4").write_bytes(b"x")
    (root / "video" / "1001_DFA_ANG_XX.mp4").unlink()
    (root / "video" / "1002_IEO_HAP_LO.mp4").rename(root / "video" / "1002_IEO_HAP_MD.mp4")
    assert list(synthetic.find(root, {}).clips.clip_id) == ["1002_IEO_HAP_MD", "1003_TSI_SAD_XX", "2345_WSI_NEU_XX"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1001_DFA_ANG_XX.avi", "second file for the same clip; video/1001_DFA_ANG_XX.mp4 is used"),
        ("1001_DFA_ANG_XX.txt", "known: .mp4, .flv"),
        ("1001_DFA_JOY_XX.mp4", "unknown emotion 'JOY'"),
        ("holiday.mp4", "four of ACTOR_SENTENCE_EMOTION_LEVEL"),
        ("99_DFA_ANG_XX.mp4", "four digits"),
    ],
)
def test_other_files_are_skipped_with_a_reason(name: str, reason: str, root: Path) -> None:
    (root / "video" / name).write_bytes(b"y")
    found = synthetic.find(root, {})
    assert len(found.clips) == 3
    (skip,) = found.skipped
    assert skip.path == f"video/{name}"
    assert skip.clip_id == Path(name).stem
    assert reason in skip.reason


def test_the_mp4_is_used_whichever_sorts_first(root: Path) -> None:
    (root / "video" / "2345_WSI_NEU_XX.mp4").write_bytes(b"y")
    found = synthetic.find(root, {})
    assert found.clips.video_path.iloc[2] == "video/2345_WSI_NEU_XX.mp4"
    assert [skip.path for skip in found.skipped] == ["video/2345_WSI_NEU_XX.flv"]


def test_names_that_are_not_utf8(root: Path) -> None:
    path = os.fsencode(root / "video") + b"/1001_DFA_ANG_\xff.mp4"
    try:
        Path(os.fsdecode(path)).write_bytes(b"y")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (skip,) = synthetic.find(root, {}).skipped
    assert skip.clip_id == "1001_DFA_ANG_\\xff"
    assert "not UTF-8" in skip.reason
    pd.DataFrame([vars(skip)]).to_csv(root / "skipped.tsv", sep="\t")  # it can be written


def test_folders_and_hidden_files(root: Path) -> None:
    (root / "video" / "1005_DFA_ANG_XX.mp4").mkdir()
    (root / "video" / ".hidden").write_bytes(b"")
    found = synthetic.find(root, {})
    assert [(skip.clip_id, skip.reason) for skip in found.skipped] == [
        ("1005_DFA_ANG_XX", "a folder, not a media file")
    ]


def test_only_bad_files_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "x.mp4").write_bytes(b"")
    found = synthetic.find(tmp_path, {})
    assert (len(found.clips), len(found.skipped)) == (0, 1)


@pytest.mark.parametrize("state", ["missing", "no video folder", "empty", "a file"])
def test_nothing_to_read(state: str, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    if state == "no video folder":
        root.mkdir()
    elif state == "empty":
        (root / "video").mkdir(parents=True)
    elif state == "a file":
        root.write_text("")
    with pytest.raises(CorpusError) as error:
        synthetic.find(root, {})
    assert "1001_DFA_ANG_XX.mp4" in str(error.value)
    assert str(root / "video") in str(error.value)
    assert "affectstore synthesize" in str(error.value)


def test_options_are_checked(root: Path) -> None:
    with pytest.raises(ConfigError, match="known options: clips"):
        synthetic.find(root, {"clip": 1})
