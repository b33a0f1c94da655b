"""The replica of IEMOCAP: its files and oddities are those of the corpus, and every column is read."""

import hashlib
import shutil
import wave
from collections import Counter
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from affectstore.cli.main import main
from affectstore.corpora.iemocap import _replica_plan as plan
from affectstore.corpora.iemocap import find, ratings, replica
from affectstore.corpora.iemocap._replica_audio import actor, speak, write_wav
from affectstore.corpora.iemocap._replica_video import write_avi
from affectstore.errors import CorpusError
from affectstore.media.words import read_words
from affectstore.paths import Results
from affectstore.preflight.scan import scan

LABELS = {"neu": 11, "ang": 9, "sad": 9, "exc": 7, "hap": 6, "fru": 3, "sur": 1, "fea": 1, "dis": 1, "oth": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("replica") / "iemocap"
    replica(root)
    return root


@pytest.fixture(scope="module")
def clips(root: Path) -> pd.DataFrame:
    return find(root, {}).clips.set_index("clip_id")


def digests(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def wav(path: Path) -> tuple[wave._wave_params, np.ndarray]:
    with wave.open(str(path)) as file:
        parameters = file.getparams()
        samples = np.frombuffer(file.readframes(parameters.nframes), "<i2").astype(float)
    return parameters, samples.reshape(parameters.nframes, parameters.nchannels)


def test_manifest(root: Path, tmp_path: Path):
    manifest = scan("iemocap", root, {}, results=Results(tmp_path), jobs=1)
    clips = manifest.clips.set_index("clip_id")
    assert len(clips) == 52
    assert clips["label_audiovisual"].value_counts().to_dict() == LABELS
    assert clips["label_audiovisual"].isna().sum() == 3
    assert clips["label_intended"].isna().all()
    assert sorted(clips["speaker"].unique()) == [f"0{n}{sex}" for n in range(1, 6) for sex in "FM"]
    assert clips[["has_audio", "has_video", "has_text"]].all(axis=None)
    assert clips["words_sha256"].isna().sum() == 1
    assert not clips["video_sha256"].isna().any()
    assert clips["video_sha256"].nunique() == 7, "a clip's video is a part of its dialogue's"
    assert clips["audio_sha256"].nunique() == 52
    np.testing.assert_allclose(clips["duration_s"], clips["end_s"] - clips["start_s"], atol=1e-6)
    assert [skip.clip_id for skip in manifest.skipped] == ["Ses01F_impro01_FXX0", "Ses04F_impro02_MXX0"]
    assert any("replica" in line for line in manifest.summary)
    assert not any("card expects" in line for line in manifest.summary)
    assert manifest.absent == 0


def test_what_the_studies_rules_leave(root: Path):
    four, strict = (find(root, {"utterances": rule}) for rule in ("four_classes", "seed_003"))
    assert four.clips["label_audiovisual"].value_counts().to_dict() == {
        code: LABELS[code] for code in ("neu", "ang", "sad", "exc", "hap")
    }
    gone = {skip.clip_id: skip.reason for skip in strict.skipped if skip.clip_id in set(four.clips["clip_id"])}
    assert gone == {
        "Ses03F_impro07_M030": "no forced alignment",
        "Ses03F_impro07_F001": "the transcription is only [BREATHING]",
        "Ses03M_impro08b_M001": "the transcription is only [GARBAGE]",
    }
    assert "Ses03F_impro07_M000" in set(strict.clips["clip_id"]), "laughter alone stays"
    assert len(strict.clips) == 39
    assert strict.clips.groupby("session")["label_audiovisual"].nunique().min() >= 3


def test_every_oddity_of_the_corpus_is_there(root: Path, clips: pd.DataFrame):
    assert {"Ses03M_impro08b", "Ses05M_script01_1", "Ses05M_script01_1b"} <= set(plan.DIALOGUES)
    for suffix in (".avi", ".wav", ".txt", ".wdseg"):
        files = [path for path in root.rglob(f"*{suffix}") if not path.name.startswith(".")]
        assert files
        twins = [path.with_name(f"._{path.name}").read_bytes() for path in files if path.parent != root]
        assert all(twin.startswith(b"\0\5\x16\7") for twin in twins)
    rows = clips[["video_path", "start_s", "end_s"]].sort_values("start_s")
    for _, dialogue in rows.groupby("video_path"):
        assert (dialogue["start_s"].to_numpy()[1:] < dialogue["end_s"].to_numpy()[:-1]).any(), "turns overlap"
    table = ratings(root).set_index(["clip_id", "rater"])
    name, other = plan.TWO_LABELS
    assert table.loc[(name, "E2"), "categories"] == f"fru;{other}"
    assert table.loc[plan.NO_DOMINANCE, ["valence", "activation"]].notna().any(axis=None)
    assert table.loc[(plan.NO_DOMINANCE, "E3"), ["valence", "activation", "dominance"]].isna().tolist() == [0, 0, 1]
    assert "[LAUGHTER]" in clips.loc["Ses01F_impro01_F003", "text"]
    assert any("\nM: " in path.read_text() for path in root.rglob("transcriptions/Ses*.txt"))


def test_the_consensus_is_what_most_evaluators_say_and_the_mean_of_their_numbers(root: Path, clips: pd.DataFrame):
    table = ratings(root)
    own = table[table["self_evaluation"]]
    assert set(own["rater"]) == {"F1", "M1"}
    assert (own["rater"].str[0] == own["clip_id"].str[-4]).all(), "actors rate themselves"
    assert not (set(own["clip_id"]) ^ set(clips.index))
    for clip_id, rows in table[~table["self_evaluation"]].groupby("clip_id"):
        clip = clips.loc[clip_id]
        votes = Counter(code for codes in rows["categories"].dropna() for code in codes.split(";"))
        assert {
            code: int(count) for code, _, count in (v.partition(":") for v in clip["votes_audiovisual"].split())
        } == (votes)
        majority = [code for code, count in votes.items() if 2 * count > rows["categories"].notna().sum()]
        assert majority == clips.loc[[clip_id], "label_audiovisual"].dropna().tolist(), clip_id
        means = rows[["valence", "activation", "dominance"]].mean()
        np.testing.assert_allclose(means, clip[["valence", "activation", "dominance"]].astype(float), atol=1e-4)


def test_the_audio_of_an_utterance_is_its_part_of_the_dialogue(root: Path, clips: pd.DataFrame):
    for clip_id, row in clips.iterrows():
        parameters, own = wav(root / row["audio_path"])
        assert (parameters.nchannels, parameters.framerate, parameters.sampwidth) == (1, 16000, 2)
        assert (root / row["audio_path"]).stat().st_size == 44 + 2 * parameters.nframes
        whole, both = wav(root / row["video_path"].replace("avi/DivX", "wav").replace(".avi", ".wav"))
        assert (whole.nchannels, whole.framerate) == (2, 16000)
        first = round(row["start_s"] * 16000)
        assert round(row["end_s"] * 16000) - first == parameters.nframes
        np.testing.assert_array_equal(own[:, 0], both[first:, "FM".index(clip_id[-4])][: parameters.nframes])


def test_word_times_are_those_of_the_voice(root: Path, clips: pd.DataFrame):
    aligned = clips.dropna(subset="words_path")
    assert len(aligned) == 51
    for clip_id, row in aligned.iterrows():
        words = read_words(root / row["words_path"])
        assert (words[0].text, words[-1].text) == ("<s>", "</s>")
        assert words[0].start_s == 0
        assert words[-1].end_s == pytest.approx(row["end_s"] - row["start_s"], abs=0.011)
        for before, after in pairwise(words):
            assert after.start_s == pytest.approx(before.end_s)
        said = [word.text for word in words if not word.text.startswith("<")]
        written = row["text"].replace("[", "++").replace("]", "++").upper()
        assert said == [word.strip(",.?!") for word in written.split()], clip_id
    dialogue = speak("Ses05M_script01_1", plan.DIALOGUES["Ses05M_script01_1"], 0)
    for turn in dialogue.turns:
        spoken = np.zeros(len(turn.voice), bool)
        for _, start_s, end_s in turn.tokens:
            spoken[round(start_s * 16000) : round(end_s * 16000)] = True
        assert np.mean(turn.voice[spoken] ** 2) > 20 * np.mean(turn.voice[~spoken] ** 2)


@pytest.mark.parametrize(("dialogue", "left", "right"), [("Ses01F_impro01", "F", "M"), ("Ses03M_impro08b", "M", "F")])
def test_the_speaker_moves_on_the_side_that_the_table_says(
    root: Path, clips: pd.DataFrame, dialogue: str, left: str, right: str
):
    mouths: dict[str, list[np.ndarray]] = {"left": [], "right": []}
    times = []
    with av.open(str(root / f"Session{dialogue[4]}/dialog/avi/DivX/{dialogue}.avi")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, str(stream.average_rate)) == (720, 480, "30000/1001")
        assert (stream.codec_context.name, stream.codec_context.codec_tag) == ("mpeg4", "DIVX")
        assert container.streams.audio
        for frame in container.decode(stream):
            grey = frame.to_ndarray(format="gray").astype(float)
            assert max(grey[:110].mean(), grey[370:].mean()) < 20 < grey[130:360].mean()
            times.append(frame.time)
            for side, columns in (("left", slice(150, 210)), ("right", slice(510, 570))):
                mouths[side].append(grey[318:340, columns])
    moving = {side: np.abs(np.diff(np.array(mouth), axis=0)).mean(axis=(1, 2)) for side, mouth in mouths.items()}
    at = np.array(times[1:])
    rows = clips[clips["video_path"].str.contains(f"/{dialogue}.avi")]
    rows = rows[~rows["text"].str.contains(r"\[|^.{1,8}$", regex=True)]
    assert set(rows["face_side"]) == {"left", "right"}
    for side, sex in (("left", left), ("right", right)):
        own = rows[rows["face_side"] == side]
        assert (own.index.str[-4] == sex).all()
        inside = [moving[side][(at > s) & (at < e)].mean() for s, e in zip(own["start_s"], own["end_s"], strict=True)]
        other = rows[rows["face_side"] != side]
        idle = [moving[side][(at > s) & (at < e)].mean() for s, e in zip(other["start_s"], other["end_s"], strict=True)]
        assert np.median(inside) > 1.3 * np.median(idle), (side, inside, idle)


def test_the_same_seed_gives_the_same_bytes(root: Path, tmp_path: Path):
    replica(tmp_path / "again", video=False)
    first = {path: digest for path, digest in digests(root).items() if not path.endswith(".avi")}
    again = digests(tmp_path / "again")
    differ = {path for path in first if first[path] != again.get(path)}
    assert differ == {"LOOKALIKE.txt"}, "which says that there is no video"
    name = "Ses05M_script01_1"
    dialogue = speak(name, plan.DIALOGUES[name], 0)
    write_wav(tmp_path / "a.wav", dialogue.channels)
    write_avi(tmp_path / "a.avi", dialogue, tmp_path / "a.wav", 0)
    made = root / f"Session5/dialog/avi/DivX/{name}.avi"
    assert (tmp_path / "a.avi").read_bytes() == made.read_bytes()
    replica(tmp_path / "other", 1, video=False)
    other = digests(tmp_path / "other")
    assert set(other) == set(again)
    assert all(other[path] != again[path] for path in again if path.endswith((".wav", ".wdseg")) and "/._" not in path)
    assert not list(tmp_path.glob(".making-*"))
    assert actor(0, "1", "F") != actor(1, "1", "F")
    assert (actor(3, "4", "F").sex, actor(3, "4", "M").sex) == ("female", "male")


def test_a_made_tree_is_left_alone_and_something_else_is_never_removed(root: Path, tmp_path: Path):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    replica(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    (tmp_path / "Session1").mkdir()
    with pytest.raises(CorpusError, match="holds something else"):
        replica(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Session1"]
    (tmp_path / "Session1" / "file").touch()
    with pytest.raises(CorpusError, match="holds something else"):
        replica(tmp_path / "Session1" / "file")


def test_audio_alone(root: Path, tmp_path: Path):
    shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns("avi"))
    found = find(tmp_path / "copy", {})
    assert found.clips["video_path"].isna().all()
    assert found.clips["audio_path"].str.contains("/sentences/wav/").all()
    assert (found.clips["start_s"] == 0).all()
    assert found.clips["end_s"].isna().all()
    assert any("without video" in note for note in found.notes)


def test_by_command(root: Path, capsys):
    assert main(["synthesize", "--corpus", "iemocap", "--out", str(root)]) == 0
    assert "52 clips of 10 speakers" in capsys.readouterr().out
    assert main(["synthesize", "--corpus", "crema-d", "--out", str(root)]) == 1
    assert "has no replica; `--corpus` takes synthetic, " in capsys.readouterr().err
    assert main(["synthesize", "--corpus", "iemocap", "--clips", "3", "--out", str(root)]) == 1
