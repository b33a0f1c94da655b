import os
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from support import extraction
from support import small_ravdess as small
from support.small_ravdess import ANGRY, CALM, FILES, NEUTRAL, SUNG, notes, reasons

from affectstore.corpora import ravdess
from affectstore.corpora._ravdess_names import ACTORS, SONG, SPEECH, recordings
from affectstore.corpora.ravdess import CARD, find
from affectstore.errors import CorpusError, NotApplicable
from affectstore.features.base import Media, Source
from affectstore.paths import Results
from affectstore.preflight.scan import scan
from affectstore.splits import speaker_independent
from affectstore.splits.base import check_split, exclusions


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small.write_every_kind(tmp_path / "ravdess")


def test_rows_pair_video_and_audio(root: Path):
    found = find(root, {"channel": "both"})
    clips = found.clips.set_index("clip_id")
    assert clips.index.tolist() == sorted([ANGRY, NEUTRAL, CALM, SUNG])
    row = clips.loc[ANGRY]
    assert row[["speaker", "speaker_sex", "level", "sentence"]].tolist() == ["12", "Female", "strong", "KIDS"]
    assert (row["label_intended"], row["text"]) == ("ANG", "Kids are talking by the door")
    assert row["audio_path"] == f"Audio_Speech_Actors_01-24/Actor_12/03-{ANGRY}.wav"
    assert row["video_path"] == f"Video_Speech_Actor_12/Actor_12/01-{ANGRY}.mp4"
    assert clips.loc[NEUTRAL, "video_path"] == f"Video_Speech_Actor_12/Actor_12/02-{NEUTRAL}.mp4"
    assert pd.isna(clips.loc[CALM, "video_path"])
    assert clips.loc[SUNG, ["speaker_sex", "label_intended"]].tolist() == ["Male", "HAP"]
    assert clips.loc[SUNG, "audio_path"] == f"Audio_Song_Actors_01-24/Actor_07/03-{SUNG}.wav"
    assert row[["session", "face_side", "known_bad", "duplicate_of", "label_audio", "split", "end_s"]].isna().all()
    assert found.skipped == ()
    assert found.absent == 2452 - 4
    assert "1 clips have no mp4, so no video" in found.notes
    assert "audio is taken from 4 wav files" in found.notes


def test_channels(root: Path):
    speech, song, both = (find(root, {"channel": channel}) for channel in ("speech", "song", "both"))
    assert find(root, {}).clips.equals(speech.clips)
    assert song.clips["clip_id"].tolist() == [SUNG]
    assert len(both.clips) == len(speech.clips) + 1
    assert (speech.absent, song.absent) == (1437, 1011)
    assert "1 recordings of song are there too and are not used (options.channel: both)" in speech.notes
    assert "3 recordings of speech are there too" in notes(song)
    assert not any("not used" in note for note in both.notes)
    with pytest.raises(ValidationError, match="whisper"):
        find(root, {"channel": "whisper"})


def test_expected_numbers_follow_the_channel(root: Path):
    speech, song, both = (find(root, {"channel": channel}).expected for channel in ("speech", "song", "both"))
    assert speech == dict(CARD.counts)
    assert (song["clips"], song["speakers"], both["clips"], both["speakers"]) == (1012, 23, 2452, 24)
    assert {name for name in song if name.startswith("label:")} == {
        f"label:{label}" for label in ("NEU", "CAL", "HAP", "SAD", "ANG", "FEA")
    }
    assert (song["label:NEU"], song["label:CAL"]) == (92, 184)
    for counts in (speech, song, both):
        for kind in ("label:", "level:"):
            assert sum(n for name, n in counts.items() if name.startswith(kind)) == counts["clips"]


def test_audio_comes_from_one_kind_of_file(root: Path, tmp_path: Path):
    mp4 = find(root, {"audio": "mp4", "channel": "both"})
    clips = mp4.clips.set_index("clip_id")
    assert clips.loc[ANGRY, "audio_path"] == clips.loc[ANGRY, "video_path"]
    assert pd.isna(clips.loc[NEUTRAL, "audio_path"])  # 02 has video alone
    assert "audio is taken from 2 mp4 files" in mp4.notes
    assert "1 clips have no such file, so no audio (options.audio: mp4)" in mp4.notes
    assert CALM not in clips.index
    assert (
        "no video, and no audio of the chosen kind" in reasons(mp4)[f"Audio_Speech_Actors_01-24/Actor_07/03-{CALM}.wav"]
    )
    videos = tmp_path / "videos"
    small.write(videos, [name for name in FILES if name.endswith(".mp4")])
    auto = find(videos, {}).clips.set_index("clip_id")
    assert auto.loc[ANGRY, "audio_path"] == auto.loc[ANGRY, "video_path"]
    assert auto.loc[NEUTRAL, ["audio_path", "video_path"]].isna().tolist() == [True, False]
    wavs = tmp_path / "wavs"
    small.write(wavs, [f"03-{ANGRY}.wav"])
    with pytest.raises(CorpusError, match=r"options\.audio: mp4\); found there: 1 files of speech"):
        find(wavs, {"audio": "mp4"})


def test_scan_of_video_and_audio(root: Path, tmp_path: Path):
    clips = scan("ravdess", root, {"channel": "both"}, results=Results(tmp_path / "results")).clips.set_index("clip_id")
    assert clips["has_audio"].all()
    assert clips["has_video"].to_dict() == {ANGRY: True, NEUTRAL: True, SUNG: True, CALM: False}
    assert clips["has_text"].all()
    assert clips["duration_s"].between(0.2, 0.4).all()


def test_stereo_is_mixed_down(tmp_path: Path):
    name = "03-01-03-01-02-01-20.wav"
    small.write(tmp_path, [name], content=small.sound(440, channels=2))
    small.write(tmp_path, [f"03-{ANGRY}.wav"], content=small.sound(440))
    found = find(tmp_path, {})
    assert "1 wav files are stereo" in notes(found)
    stereo, mono = (
        tmp_path / path for path in (small.where(name, "archives"), small.where(f"03-{ANGRY}.wav", "archives"))
    )
    mixed = extraction.extract("audio", stereo).arrays["values"]
    left = extraction.extract("audio", mono).arrays["values"]
    assert mixed.shape == left.shape
    np.testing.assert_allclose(mixed, left / 2, atol=1)


def test_duplicates_are_marked_and_stay_where_they_agree(tmp_path: Path):
    first, second = "01-03-01-02-01-07", "01-03-01-02-02-07"
    small.write(tmp_path / "a", [f"03-{first}.wav", f"03-{second}.wav"], content=small.sound(300))
    clips = scan("ravdess", tmp_path / "a", {}, results=Results(tmp_path / "results")).clips.set_index("clip_id")
    assert clips["duplicate_of"].dropna().to_dict() == {second: first}
    assert clips["audio_sha256"].nunique() == 1
    assert (exclusions(clips.reset_index()) == "").all()  # the same label and speaker: neither is wrong
    small.write(tmp_path / "b", [f"03-{second}.wav"])
    alone = scan("ravdess", tmp_path / "b", {}, results=Results(tmp_path / "results_b")).clips
    assert alone["duplicate_of"].isna().all()
    assert (exclusions(alone) == "").all()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Write every recording of speech, as files of one byte."""
    root = tmp_path_factory.mktemp("whole")
    small.write(root, (f"03-{recording}.wav" for recording in recordings(SPEECH)), content=b"x")
    return root


def test_a_whole_copy(whole: Path):
    found = find(whole, {})
    assert (len(found.clips), found.absent, found.skipped) == (1440, 0, ())
    assert found.clips["label_intended"].value_counts().to_dict() == {
        label: CARD.counts[f"label:{label}"] for label in CARD.labels
    }
    assert (
        "files of speech: 0 of 1440 audio and video (01), 0 of 1440 video only (02), 1440 of 1440 audio only"
        in notes(found)
    )
    assert "5 wav files are stereo" in notes(found)


def test_what_is_missing_from_an_actor_is_a_row_each(whole: Path, tmp_path: Path):
    root = tmp_path / "fewer"
    here = small.performed(["01", "02"])
    few = small.performed(["03"])[:30]  # half of an actor was taken on purpose
    small.write(root, (f"03-{r}.wav" for r in [*here[:-1], *few]), content=b"x")
    found = find(root, {})
    lost = str(here[-1])
    assert [(skip.clip_id, skip.path) for skip in found.skipped] == [(lost, "")]
    assert f"59 of 60 recordings of speech of actor {here[-1].actor} are there" in found.skipped[0].reason
    assert found.absent == 1440 - 150
    assert len(found.clips) + found.absent + 1 == 1440


def test_numbers_of_a_whole_copy_are_held_against_the_card(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(ravdess, "recordings", lambda channel: small.performed(["01", "02", "03", "04"], channel)[::9])
    root = tmp_path / "small"
    made = ravdess.recordings(SPEECH)
    small.write(root, (f"03-{r}.wav" for r in made))
    summary = scan("ravdess", root, {}, results=Results(tmp_path / "results")).summary
    assert not any("expects" in line for line in summary)
    monkeypatch.setattr(ravdess, "_expected", lambda _: {"clips": len(made), "speakers": 5, "label:ANG": 4})
    summary = scan("ravdess", root, {}, results=Results(tmp_path / "results")).summary
    assert "the card expects 5 of speakers, found 4" in summary
    monkeypatch.setattr(ravdess, "_expected", lambda _: {"clips": len(made) + 1, "speakers": 5})
    assert not any(
        "expects" in line for line in scan("ravdess", root, {}, results=Results(tmp_path / "results")).summary
    )


def with_media(clips: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of a scan."""
    digests = pd.array([f"{number:064x}" for number in range(len(clips))], dtype="string")
    return clips.assign(audio_sha256=digests, video_sha256=pd.NA, has_audio=True, has_video=False)


def test_six_folds_of_four_actors(whole: Path, tmp_path: Path):
    assert sorted(actor for group in CARD.folds for actor in group) == sorted(ACTORS)
    clips = with_media(find(whole, {}).clips)
    split = speaker_independent.split(clips)
    check_split(split, clips, speaker_disjoint=True)
    speaker = clips.set_index("clip_id")["speaker"]
    assert split["fold"].nunique() == 6
    for fold, rows in split.groupby("fold"):
        subsets = rows.assign(speaker=speaker.loc[rows["clip_id"]].to_numpy()).groupby("subset")["speaker"].unique()
        assert set(subsets["test"]) == set(CARD.folds[fold])
        assert set(subsets["val"]) == set(CARD.folds[(fold + 1) % 6])
        assert len(subsets["train"]) == 16
    song = tmp_path / "song"
    small.write(song, (f"03-{r}.wav" for r in recordings(SONG)), content=b"x")
    found = find(song, {"channel": "song"})
    assert (len(found.clips), found.clips["speaker"].nunique(), found.absent) == (1012, 23, 0)
    assert speaker_independent.split(with_media(found.clips))["fold"].nunique() == 6  # 18 is missing, his group is not


def test_a_few_actors_are_left_out_one_at_a_time(whole: Path):
    clips = with_media(find(whole, {}).clips)
    four = clips[clips["speaker"].isin(["01", "02", "07", "20"])]
    split = speaker_independent.split(four)
    check_split(split, four, speaker_disjoint=True)
    tested = split[split["subset"] == "test"].groupby("fold")["clip_id"].agg(lambda ids: set(ids.str[-2:]))
    assert sorted(tested.map(lambda actors: "".join(actors))) == ["01", "02", "07", "20"]


def test_the_stereo_ones_are_recordings():
    assert len(set(ravdess._STEREO)) == 5
    assert set(ravdess._STEREO) <= {str(recording) for recording in recordings(SPEECH)}


def channels_of(path: Path) -> int:
    with wave.open(str(path)) as file:
        return file.getnchannels()


@pytest.mark.realdata
def test_the_real_recordings(tmp_path: Path):
    data = os.environ.get("AFFECTSTORE_DATA")
    if not data:
        pytest.skip("AFFECTSTORE_DATA does not say where the real clips are")
    root = Path(data) / "ravdess"
    manifest = scan("ravdess", root, {}, results=Results(tmp_path / "results"))
    clips = manifest.clips
    assert (len(clips), clips["speaker"].nunique(), manifest.skipped, manifest.absent) == (240, 4, (), 1200)
    assert Counter(clips["label_intended"]) == {label: 16 if label == "NEU" else 32 for label in CARD.labels}
    assert clips["has_audio"].all()
    assert not clips["has_video"].any()
    assert clips["duration_s"].between(2.9, 5.3).all()
    stereo = {path[-21:-4] for path in clips["audio_path"] if channels_of(root / path) == 2}
    assert stereo == {name for name in ravdess._STEREO if name in set(clips["clip_id"])}
    assert len(stereo) >= 4
    repeat = clips[clips["duplicate_of"].notna()].iloc[0]
    first = clips.set_index("clip_id").loc[repeat["duplicate_of"]]
    assert first["audio_sha256"] == repeat["audio_sha256"]
    assert (exclusions(clips) == "").all()
    assert speaker_independent.split(clips)["fold"].nunique() == 4
    media = Media(Source(root / clips["audio_path"][0]), None)
    for feature in ("frames", "faces", "mel_chunks", "frame_pairs"):
        with pytest.raises(NotApplicable):
            extraction.run(extraction.chain(feature), media)
