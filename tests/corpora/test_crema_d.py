import os
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError
from support import small_crema_d as small

from affectstore.corpora.crema_d import CARD, find
from affectstore.errors import CorpusError

A, B, C = "1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_TSI_NEU_XX"
#: Listed, without media: as many as the others, so that the copy is a partial one.
LOST = ("1003_IWL_SAD_XX", "1004_IWL_SAD_XX", "1005_IWL_SAD_XX")


def reasons(found) -> dict[str, str]:
    return {skip.path: skip.reason for skip in found.skipped}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "crema-d"
    small.write_media(folder, [A, B, C], "VideoFlash", ".flv")
    small.write_list(folder, [C, B, A, *LOST])
    return folder


def test_rows_of_a_partial_copy(root: Path):
    small.write_speakers(root, [("1001", 51, "Male"), ("1002", 21, "Female")])
    found = find(root, {})
    assert found.clips["clip_id"].tolist() == [A, B, C]
    assert (found.absent, found.skipped) == (len(LOST), ())
    row = found.clips.iloc[1]
    assert row["speaker"] == "1001"
    assert row["level"] == "HI"
    assert row["sentence"] == "IEO"
    assert row["text"] == "It's eleven o'clock."
    assert row["label_intended"] == "HAP"
    assert row["audio_path"] == row["video_path"] == f"VideoFlash/{B}.flv"
    assert row["speaker_age_years"] == 51
    assert found.clips["speaker_sex"].tolist() == ["Male", "Male", "Female"]
    assert row[["session", "face_side", "known_bad", "label_audio", "votes_audio", "end_s"]].isna().all()
    assert row["start_s"] == 0
    assert any("summaryTable.csv" in note for note in found.notes)
    assert not any("VideoDemographics.csv" in note for note in found.notes)


def test_consensus_labels_and_votes(root: Path):
    small.write_summary(root, {A: ("N", "A", "A"), B: ("F:N", "H", "H"), C: ("N", "N", "D:N:S")})
    clips = find(root, {}).clips.set_index("clip_id")
    assert clips.loc[A, ["label_audio", "label_visual", "label_audiovisual"]].tolist() == ["NEU", "ANG", "ANG"]
    assert pd.isna(clips.loc[B, "label_audio"])
    assert clips.loc[B, "votes_audio"] == "F:N"
    assert pd.isna(clips.loc[C, "label_audiovisual"])
    small.write_votes(
        root,
        {
            A: ((1, 0, 0, 0, 10, 0), (9, 0, 0, 0, 0, 0), (8, 2, 0, 0, 0, 0)),
            B: ((0, 0, 4, 0, 4, 1), (0, 0, 0, 9, 0, 0), (0, 0, 0, 9, 0, 0)),
            C: ((0, 0, 0, 0, 5, 0), (0, 0, 0, 0, 5, 0), (0, 2, 0, 0, 2, 2)),
        },
    )
    both = find(root, {}).clips.set_index("clip_id")
    assert both.loc[A, ["votes_audio", "votes_visual", "votes_audiovisual"]].tolist() == ["A:1 N:10", "A:9", "A:8 D:2"]
    assert both.loc[B, "votes_audio"] == "F:4 N:4 S:1"
    labels = ["label_audio", "label_visual", "label_audiovisual"]
    pd.testing.assert_frame_equal(both[labels], clips[labels])
    (root / "processedResults/summaryTable.csv").unlink()
    pd.testing.assert_frame_equal(find(root, {}).clips.set_index("clip_id"), both)


def test_audio_comes_from_one_source(root: Path):
    small.write_media(root, [A, B], "AudioMP3", ".mp3")
    assert find(root, {}).clips["audio_path"].tolist()[0] == f"AudioMP3/{A}.mp3"
    small.write_media(root, [A], "AudioWAV", ".wav")
    found = find(root, {"audio": "auto"})
    assert found.clips["audio_path"].fillna("").tolist() == [f"AudioWAV/{A}.wav", "", ""]
    assert found.clips["video_path"].notna().all()
    assert any("2 clips have no file in AudioWAV/" in note for note in found.notes)
    assert find(root, {"audio": "mp3"}).clips["audio_path"].notna().sum() == 2
    assert find(root, {"audio": "flv"}).clips["audio_path"].tolist()[2] == f"VideoFlash/{C}.flv"


def test_audio_alone_is_a_corpus(tmp_path: Path):
    small.write_media(tmp_path, [A, "1076_MTI_SAD_XX", "1076_MTI_NEU_XX"])
    found = find(tmp_path, {})
    assert found.clips["video_path"].isna().all()
    assert found.absent == 7442 - 3
    assert found.clips["known_bad"].notna().tolist() == [False, False, True]  # the wav of MTI_NEU is a good one
    small.write_media(tmp_path, [A, "1076_MTI_NEU_XX"], "VideoFlash", ".flv")
    assert find(tmp_path, {}).clips["known_bad"].notna().tolist() == [False, True, True]


def test_card_marks_bad_and_repeated_clips(tmp_path: Path):
    small.write_media(tmp_path, [*CARD.known_bad, *CARD.duplicates, A], "VideoFlash", ".flv")
    clips = find(tmp_path, {}).clips.set_index("clip_id")
    assert clips["known_bad"].dropna().to_dict() == CARD.known_bad
    assert clips["duplicate_of"].dropna().to_dict() == CARD.duplicates


def test_every_odd_file_is_a_row_with_a_reason(root: Path):
    folder = root / "VideoFlash"
    for name in (
        f"{A}.FLV",  # the same clip again
        f"{B.lower()}.flv",  # but for the letters' case
        "1001_DFA_ANG.flv",
        "1009_DFA_ANG_XX.flv",  # not in the list
        "notes.txt",
        "noextension",
        "1001_DFA_DIS_XX\t.flv",
        "1001_DFA_FEA_XX\n.flv",
        "Zoë.flv",
        ".DS_Store",
    ):
        (folder / name).write_bytes(small.sound())
    (Path(os.fsdecode(os.fsencode(folder) + b"/1001_DFA_SAD_X\xff.flv"))).write_bytes(small.sound())
    found = find(root, {})
    assert found.clips["clip_id"].tolist() == [A, B, C]
    why = reasons(found)
    assert why[f"VideoFlash/{A}.FLV"] == f"a second file for the same name; VideoFlash/{A}.flv is used"
    assert B in why[f"VideoFlash/{B.lower()}.flv"]
    assert "3 fields" in why["VideoFlash/1001_DFA_ANG.flv"]
    assert why["VideoFlash/1009_DFA_ANG_XX.flv"] == "not listed in SentenceFilenames.csv"
    assert why["VideoFlash/notes.txt"] == why["VideoFlash/noextension"] == "not a .flv file"
    assert "control characters" in why["VideoFlash/1001_DFA_DIS_XX\\x09.flv"]
    assert "control characters" in why["VideoFlash/1001_DFA_FEA_XX\\x0a.flv"]
    assert why["VideoFlash/1001_DFA_SAD_X\\xff.flv"] == "the name is not UTF-8"
    assert "1 fields" in why["VideoFlash/Zoë.flv"]
    assert len(why) == len(found.skipped) == 10
    assert found.absent == len(LOST)


def test_what_is_missing_from_a_nearly_whole_copy_is_a_row_each(root: Path):
    small.write_list(root, [A, B, C, *LOST[:2]])
    found = find(root, {})
    assert found.absent == 0
    assert [(skip.clip_id, skip.path) for skip in found.skipped] == [(clip_id, "") for clip_id in LOST[:2]]
    assert "listed in SentenceFilenames.csv" in found.skipped[0].reason
    assert "VideoFlash/" in found.skipped[0].reason


def test_upper_case_suffix_is_a_clip(tmp_path: Path):
    small.write_media(tmp_path, [A], "VideoFlash", ".FLV")
    assert find(tmp_path, {}).clips["video_path"].tolist() == [f"VideoFlash/{A}.FLV"]


def test_the_folder_may_be_a_link(root: Path, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(root)
    pd.testing.assert_frame_equal(find(link, {}).clips, find(root, {}).clips)


def test_no_corpus_says_what_was_looked_for_and_where(tmp_path: Path):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorpusError) as error:
            find(root, {})
        for part in (str(root), "VideoFlash/*.flv", "AudioWAV/*.wav", "AudioMP3/*.mp3", CARD.url, "crema-d"):
            assert part in str(error.value)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(CorpusError, match="not a folder"):
        find(file, {})
    with pytest.raises(CorpusError, match="found there: file"):
        find(tmp_path, {})


def test_the_source_that_is_asked_for_must_be_there(root: Path):
    with pytest.raises(CorpusError, match=r"AudioWAV/\*\.wav"):
        find(root, {"audio": "wav"})
    with pytest.raises(ValidationError, match="ogg"):
        find(root, {"audio": "ogg"})


@pytest.mark.parametrize(
    ("table", "text", "word"),
    [
        ("SentenceFilenames.csv", "a,b\n1,2\n", "Filename"),
        ("SentenceFilenames.csv", "", "SentenceFilenames.csv"),
        ("processedResults/summaryTable.csv", "FileName,VoiceVote,FaceVote,MultiModalVote\nx,Q,N,N\n", "'Q'"),
        ("VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1001,old,M,x,y\n", "Age|old"),
    ],
)
def test_a_broken_table_stops_with_its_name(root: Path, table: str, text: str, word: str):
    (root / table).parent.mkdir(exist_ok=True)
    (root / table).write_text(text)
    with pytest.raises(CorpusError, match=word) as error:
        find(root, {})
    assert table in str(error.value)


@pytest.mark.realdata
def test_the_real_clips():
    data = os.environ.get("AFFECTSTORE_DATA")
    if not data:
        pytest.skip("AFFECTSTORE_DATA does not say where the real clips are")
    found = find(Path(data) / "crema-d", {})
    assert found.clips["speaker"].nunique() == 91
    assert len(found.clips) + found.absent == CARD.counts["clips"]
    assert found.skipped == ()
    assert found.clips["label_intended"].notna().all()
    assert found.clips["votes_audiovisual"].notna().all()
    ties = found.clips["label_audiovisual"].isna()
    assert 0 < ties.sum() < 0.1 * len(ties)
    assert found.clips["speaker_sex"].isin(["Male", "Female"]).all()
