"""Clips of hand-written IEMOCAP trees, oddity by oddity."""

from pathlib import Path

import pandas as pd
import pytest
from support import small_iemocap as small
from support.small_iemocap import F0, F1, M0, D

from affectstore.corpora.iemocap import CARD, find, ratings
from affectstore.errors import CorpusError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "iemocap"
    small.dialogue(root)
    return root


def clip(found, name: str) -> pd.Series:
    return found.clips.set_index("clip_id").loc[name]


def reasons(found) -> dict[str, str]:
    return {skip.clip_id: skip.reason for skip in found.skipped}


def test_columns_of_an_utterance(root: Path):
    found = find(root, {})
    assert found.clips["clip_id"].tolist() == [F0, F1, M0]
    row = clip(found, F0)
    assert row["corpus"] == CARD.name == "iemocap"
    assert (row["speaker"], row["speaker_sex"], row["session"]) == ("01F", "Female", "1")
    assert row["face_side"] == "left"
    assert row["text"] == "Where is the [LAUGHTER] ladder?"
    assert (row["start_s"], row["end_s"]) == (6.25, 8.2357)
    assert row["audio_path"] == f"Session1/sentences/wav/{D}/{F0}.wav"
    assert row["video_path"] == f"Session1/dialog/avi/DivX/{D}.avi"
    assert row["words_path"] == f"Session1/sentences/ForcedAlignment/{D}/{F0}.wdseg"
    assert row["whole_media"] == "audio"
    assert row["label_audiovisual"] == "fru"
    assert (row["valence"], row["activation"], row["dominance"]) == (2.5, 3.0, 3.5)
    assert row[["label_intended", "label_audio", "label_visual", "known_bad", "split"]].isna().all()
    other = clip(found, M0)
    assert (other["speaker"], other["face_side"], other["speaker_sex"]) == ("01M", "right", "Male")
    assert other["start_s"] < row["end_s"], "turns overlap"
    assert other[["valence", "activation", "dominance"]].tolist() == [1.0, 2.3333, 5.0]


def test_no_majority_is_no_label_and_the_votes_are_kept(root: Path):
    row = clip(find(root, {}), F1)
    assert pd.isna(row["label_audiovisual"])
    assert sorted(row["votes_audiovisual"].split()) == ["ang:1", "oth:1", "sad:1"]
    assert pd.isna(row["words_path"])


def test_votes_are_the_evaluators_only(root: Path):
    votes = clip(find(root, {}), F0)["votes_audiovisual"].split()
    assert sorted(votes) == ["ang:1", "fru:2", "neu:1"], "a rater may give two; the actors' own do not count"


def test_ratings_one_by_one(root: Path):
    table = ratings(root).set_index(["clip_id", "rater"])
    assert table.loc[F0].index.tolist() == ["E2", "E3", "E4", "F1", "M1"]
    assert table.loc[F0, "self_evaluation"].tolist() == [False, False, False, True, True]
    assert table.loc[(F0, "E3"), "categories"] == "neu;fru"
    assert table.loc[(F0, "E3"), ["valence", "activation", "dominance"]].tolist() == [3, 2, 2]
    without = table.loc[(F0, "E4")]
    assert without[["valence", "activation"]].tolist() == [2, 3]
    assert pd.isna(without["dominance"]), "some lines have no number for dominance"
    assert "tense" in without["comment"]
    assert "staying polite, but: mildly aggravated" in without["comment"]
    assert table.loc[(F0, "F1"), "categories"] == "ang"
    assert table.loc[(F0, "M1"), "categories"] == "neu"
    assert table.loc[(M0, "E2"), ["valence", "activation", "dominance"]].isna().all()


def test_lines_and_turns_that_are_no_utterance(root: Path):
    found = find(root, {})
    assert any("1 lines of transcriptions name no turn" in note and "line 3" in note for note in found.notes)
    assert "XX" in reasons(found)[f"{D}_FXX0"]
    assert len(found.skipped) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"[1.0000 - 2.0000]\t{F0}\tneu\n", 1),
        ("C-E2:\tBoredom;\t()\n", 1),
        ("A-E2:\tquiet\t()\n", 1),
        ("something else\n", 1),
    ],
)
def test_lines_of_an_evaluation_that_say_nothing_known_are_told(root: Path, text: str, number: int):
    path = root / f"Session1/dialog/EmoEvaluation/{D}.txt"
    path.write_text(path.read_text() + text)
    found = find(root, {})
    assert any(note.startswith(f"{number} lines of evaluations") and D in note for note in found.notes)
    assert len(found.clips) == 3


def test_an_unknown_label_stops_with_its_line(root: Path):
    path = root / f"Session1/dialog/EmoEvaluation/{D}.txt"
    path.write_text(path.read_text().replace("\tfru\t", "\tbored\t"))
    with pytest.raises(CorpusError, match=rf"{D}.txt, line 3: unknown label 'bored'; known: ang,.*xxx"):
        find(root, {})


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_bytes_that_are_not_utf8(root: Path, end: str):
    path = root / f"Session1/dialog/EmoEvaluation/{D}.txt"
    text = path.read_text().replace("\n", end).encode()
    path.write_bytes(text.replace(b"(tense)", b"(d\xe9j\xe0 vu)"))
    said = root / f"Session1/dialog/transcriptions/{D}.txt"
    said.write_bytes(said.read_text().replace("\n", end).replace("shed", "sh\x85ed").encode("latin-1"))
    found = find(root, {})
    assert found.clips["label_audiovisual"].notna().sum() == 2
    assert clip(found, F0)["text"] == "Where is the [LAUGHTER] ladder?"
    assert clip(found, M0)["text"].startswith("In the sh")


def test_twins_of_macos_are_passed_over(root: Path):
    before = find(root, {})
    for path in list(root.rglob("*.*")):
        if path.is_file():
            (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\xff")
    small.put(root, "._Session1", b"\x00")
    after = find(root, {})
    pd.testing.assert_frame_equal(after.clips, before.clips)
    assert after.skipped == before.skipped


def test_the_folders_beside_the_evaluations_are_not_read(root: Path):
    before = find(root, {})
    folder = "Session1/dialog/EmoEvaluation"
    small.put(root, f"{folder}/Categorical/{D}_e1_cat.txt", f"{F0} :Neutral state;\n")
    small.put(root, f"{folder}/Attribute/{D}_e1_atr.txt", f"{F0} :act 4; :val 3; :dom  2;\n")
    small.put(root, f"{folder}/Self-evaluation/{D}_f1_cat.txt", f"{F0} :Anger;\n")
    small.put(root, f"{folder}/{D}.anvil", "<annotation/>")
    small.put(root, f"Session1/sentences/ForcedAlignment/{D}/{F0}.phseg", "")
    small.put(root, "Session1/dialog/MOCAP_head/Ses01F_impro01.txt", "")
    small.put(root, "README.txt", "")
    after = find(root, {})
    pd.testing.assert_frame_equal(after.clips, before.clips)
    assert after.skipped == before.skipped


def test_a_dialogue_whose_name_begins_another(tmp_path: Path):
    short, long = "Ses05M_script01_1", "Ses05M_script01_1b"
    for name, start in ((short, 1.0), (long, 50.0)):
        small.video(tmp_path, name)
        small.sound(tmp_path, f"{name}_F000")
        small.alignment(tmp_path, f"{name}_F000")
        small.evaluation(tmp_path, name, small.block(f"{name}_F000", "ang", (start, start + 1)))
        small.transcription(tmp_path, name, f"{name}_F000 [{start:08.4f}-{start + 1:08.4f}]: This is {name}.")
    clips = find(tmp_path, {}).clips.set_index("clip_id")
    assert len(clips) == 2
    for name, start in ((short, 1.0), (long, 50.0)):
        row = clips.loc[f"{name}_F000"]
        assert row["start_s"] == start
        assert row["text"] == f"This is {name}."
        for column in ("audio_path", "video_path", "words_path"):
            assert f"/{name}/" in row[column] or row[column].endswith(f"/{name}.avi")


def test_sentences_only(tmp_path: Path):
    small.sound(tmp_path, F0, M0)
    found = find(tmp_path, {})
    assert found.clips["clip_id"].tolist() == [F0, M0]
    assert found.clips[["video_path", "end_s", "label_audiovisual", "text", "words_path"]].isna().all(axis=None)
    assert (found.clips["start_s"] == 0).all()
    assert found.absent == 10039 - 2
    notes = " ".join(found.notes)
    for part in ("without video", "labels", "text", "word times", "Session2"):
        assert part in notes
    with pytest.raises(CorpusError, match="EmoEvaluation"):
        find(tmp_path, {"utterances": "four_classes"})


def test_sentences_only_with_labels_are_whole_files(tmp_path: Path, root: Path):
    (root / f"Session1/dialog/avi/DivX/{D}.avi").unlink()
    row = clip(find(root, {}), F0)
    assert row["start_s"] == 0
    assert pd.isna(row["end_s"])
    assert row["label_audiovisual"] == "fru"


def test_dialogues_only(tmp_path: Path):
    small.video(tmp_path, D)
    small.dialogue_sound(tmp_path, D)
    small.transcription(tmp_path, D, f"{F0} [001.0000-002.5000]: Hello.", f"{M0} [002.0000-003.0000]: Hello.")
    found = find(tmp_path, {})
    row = clip(found, F0)
    assert row["audio_path"] == f"Session1/dialog/wav/{D}.wav"
    assert row["video_path"] == f"Session1/dialog/avi/DivX/{D}.avi"
    assert pd.isna(row["whole_media"]), "both are cut out of the dialogue"
    assert (row["start_s"], row["end_s"]) == (1.0, 2.5)
    assert any("both speakers are audible" in note for note in found.notes)


def test_a_dialogue_without_times_gives_no_clip(tmp_path: Path):
    small.video(tmp_path, D, "Ses01F_impro02")
    small.transcription(tmp_path, "Ses01F_impro02", "Ses01F_impro02_F000 [001.0000-002.5000]: Hello.")
    found = find(tmp_path, {})
    assert found.clips["clip_id"].tolist() == ["Ses01F_impro02_F000"]
    assert any("without text: 1 dialogues have no file" in note and D in note for note in found.notes)


def test_dialogues_of_which_no_utterance_is_known_stop(tmp_path: Path):
    small.video(tmp_path, D)
    with pytest.raises(
        CorpusError, match=r"no file with the times of their utterances; looked for .*EmoEvaluation.*transcriptions"
    ):
        find(tmp_path, {})


def test_an_utterance_of_no_length_is_a_row_with_its_reason(root: Path):
    path = root / f"Session1/dialog/EmoEvaluation/{D}.txt"
    path.write_text(path.read_text().replace("[7.5000 - 10.4750]", "[10.4750 - 10.4750]"))
    found = find(root, {})
    assert M0 not in set(found.clips["clip_id"])
    assert "10.475" in reasons(found)[M0]


def test_odd_files_are_rows_with_reasons(root: Path):
    small.sound(root, f"{D}_F00", "Ses02F_impro01_F000")
    small.put(root, f"Session1/sentences/wav/{D}/Ses01F_impro02_F000.wav")
    small.put(root, f"Session1/sentences/wav/{D}/notes.txt")
    small.put(root, "Session1/sentences/wav/other/x.wav")
    small.put(root, "Session1/dialog/avi/DivX/Ses02F_impro01.avi")
    small.put(root, "Session1/dialog/avi/DivX/copy of Ses01F_impro01.avi")
    found = find(root, {})
    why = {skip.path: skip.reason for skip in found.skipped}
    assert "Ses01F_impro02" in why[f"Session1/sentences/wav/{D}/Ses01F_impro02_F000.wav"]
    assert "not a .wav file" in why[f"Session1/sentences/wav/{D}/notes.txt"]
    assert "not the name of a turn" in why[f"Session1/sentences/wav/{D}/{D}_F00.wav"]
    assert "session 1" in why["Session1/dialog/avi/DivX/Ses02F_impro01.avi"]
    assert "session 1" in why["Session1/dialog/avi/DivX/copy of Ses01F_impro01.avi"]
    assert "session 1" in why["Session1/sentences/wav/other"]
    assert len(found.clips) == 4, "Ses02F_impro01_F000 lies in session 2, where it belongs"


def test_a_wrong_folder_says_what_was_looked_for(tmp_path: Path, root: Path):
    small.put(tmp_path / "wrong", "videos/a.mp4")
    with pytest.raises(CorpusError) as error:
        find(tmp_path / "wrong", {})
    for part in ("Session1/sentences/wav", "Session1/dialog/avi/DivX", "found there: videos", CARD.url, "iemocap"):
        assert part in str(error.value)
    with pytest.raises(CorpusError, match=rf"one folder below.*{root}"):
        find(root.parent, {})
    with pytest.raises(CorpusError, match="looks like one session"):
        find(root / "Session1", {})
    small.put(tmp_path / "empty", "Session1/dialog/lab/x.lab")
    with pytest.raises(CorpusError, match="no media of any session"):
        find(tmp_path / "empty", {})


def test_unknown_options_are_refused(root: Path):
    with pytest.raises(ValueError, match="utterances"):
        find(root, {"utterances": "five_classes"})
