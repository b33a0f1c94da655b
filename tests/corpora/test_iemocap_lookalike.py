"""The lookalike tree: what it holds is true of itself, every oddity is there, and the pipeline runs on it."""

from __future__ import annotations

import hashlib
import math
import re
import wave
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extraction import chain, run

from affectstore.corpora.iemocap import CARD, find, lookalike, ratings
from affectstore.errors import CorpusError
from affectstore.features.base import Media, Source
from affectstore.media.words import read_words
from affectstore.preflight.plan import plan_columns
from affectstore.preflight.scan import MANIFEST_COLUMNS, Manifest, scan

_FILLER = re.compile(r"<.*>|\+\+.*\+\+")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("lookalike") / "tree"
    lookalike(root)
    return root


@pytest.fixture(scope="module")
def manifest(root: Path, tmp_path_factory) -> Manifest:
    return scan("iemocap", root, {}, results=tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def clips(manifest: Manifest) -> pd.DataFrame:
    return manifest.clips.set_index("clip_id", drop=False)


def media_of(root: Path, row: pd.Series) -> Media:
    """The sources of a clip as a job gets them: through its row of the plan."""
    plan = plan_columns(row.to_frame().T.astype(dict(MANIFEST_COLUMNS))).iloc[0]

    def source(kind: str) -> Source:
        start, end = plan[f"{kind}_start_s"], plan[f"{kind}_end_s"]
        path = root / row[f"{kind}_path"]
        return Source(path, Fraction(start) if start else Fraction(0), Fraction(end) if end else None)

    words = None if pd.isna(row["words_path"]) else root / row["words_path"]
    return Media(source("audio"), source("video"), words)


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (16000, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    assert path.stat().st_size == 44 + samples.nbytes
    return samples.astype(float)


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def plain(text: str) -> list[str]:
    """Words of a transcription or an alignment, the same spelling for both."""
    text = re.sub(r"\[\w+\]", " ", text).upper()
    return re.sub(r"[^\w' ]", "", text).split()


def test_manifest(manifest: Manifest, clips: pd.DataFrame):
    assert set(clips["session"]) == {value for fold in CARD.folds for value in fold}
    assert clips["speaker"].nunique() == 10
    assert clips[["has_audio", "has_video", "has_text"]].all(axis=None)
    assert 40 <= len(clips) <= 80
    by_session = clips.groupby("session")["label_audiovisual"].agg(lambda labels: set(labels.dropna()))
    assert all({"ang", "sad", "neu"} <= labels and {"hap", "exc"} & labels for labels in by_session)
    assert clips["label_audiovisual"].isna().any()
    assert (clips["whole_media"] == "audio").all()
    assert (clips["duration_s"] - (clips["end_s"] - clips["start_s"])).abs().max() < 1e-3
    assert any("lookalike" in line for line in manifest.summary)
    assert not any("the card expects" in line for line in manifest.summary)
    sides = clips.groupby("face_side").size()
    assert min(sides["left"], sides["right"]) > 10


def test_it_has_the_corpus_oddities(root: Path, clips: pd.DataFrame, manifest: Manifest):
    transcriptions = [path.read_text() for path in root.glob("Session*/dialog/transcriptions/Ses*.txt")]
    lines = [line for text in transcriptions for line in text.splitlines()]
    assert any(re.match(r"Ses\w+_[FM]XX0 \[\d{3}\.\d{4}-\d{3}\.\d{4}\]: ", line) for line in lines)
    assert any(re.match(r"[FM]: ", line) for line in lines)
    evaluations = "".join(path.read_text() for path in root.glob("Session*/dialog/EmoEvaluation/Ses*.txt"))
    assert re.search(r"^A-E\d:\tval \d; act \d; dom  ;\t\(", evaluations, re.M)
    assert re.search(r"^C-E\d:\t\w+; \w+;\t\(", evaluations, re.M)
    assert re.search(r"^C-[FM]1:\t", evaluations, re.M)
    assert re.search(r"\txxx\t", evaluations)
    assert len(list(root.rglob("._Ses*"))) > 50
    assert clips["words_path"].isna().any()
    assert {"Ses05M_script01_1", "Ses05M_script01_1b", "Ses03M_impro08b"} <= set(clips["clip_id"].str.rsplit("_", n=1).str[0])
    overlaps = 0
    for _, dialogue in clips.groupby(clips["clip_id"].str.rsplit("_", n=1).str[0]):
        turns = dialogue.sort_values("start_s")
        overlaps += int((turns["start_s"].to_numpy()[1:] < turns["end_s"].cummax().to_numpy()[:-1]).sum())
    assert overlaps >= 5
    assert any("XX" in skip.reason for skip in manifest.skipped)
    assert not any(skip.path.rpartition("/")[2].startswith("._") for skip in manifest.skipped)


def test_seed_003_and_four_classes(root: Path, clips: pd.DataFrame):
    four = find(root, {"utterances": "four_classes"})
    labels = clips["label_audiovisual"]
    assert set(four.clips["clip_id"]) == set(labels.index[labels.isin(["ang", "hap", "exc", "sad", "neu"])])
    seed = find(root, {"utterances": "seed_003"})
    dropped = set(four.clips["clip_id"]) - set(seed.clips["clip_id"])
    noise = clips["text"].str.fullmatch(r"(\[(BREATHING|GARBAGE)\] ?)+")
    expected = clips.index[noise | clips["words_path"].isna()]
    assert dropped == set(expected) & set(four.clips["clip_id"])
    assert len(dropped) >= 3
    laughs = clips.index[clips["text"].str.fullmatch(r"\[LAUGHTER\]")]
    assert set(laughs) & set(seed.clips["clip_id"]), "laughter alone stays"


def test_labels_are_what_the_raters_gave(root: Path, clips: pd.DataFrame):
    table = ratings(root)
    own = table[~table["self_evaluation"]]
    assert table["self_evaluation"].any()
    for clip_id, rows in own.groupby("clip_id"):
        votes = Counter(code for text in rows["categories"].dropna() for code in text.split(";"))
        label = clips.at[clip_id, "label_audiovisual"]
        raters = rows["categories"].notna().sum()
        majority = [code for code, count in votes.items() if 2 * count > raters]
        assert majority == ([] if pd.isna(label) else [label]), clip_id
        shown = dict(part.split(":") for part in clips.at[clip_id, "votes_audiovisual"].split())
        assert {code: int(count) for code, count in shown.items()} == votes
        means = rows[["valence", "activation", "dominance"]].mean()
        given = clips.loc[clip_id, ["valence", "activation", "dominance"]].astype(float)
        np.testing.assert_allclose(means, given, atol=1e-4, err_msg=str(clip_id))


def test_utterances_are_cut_out_of_the_dialogues(root: Path, clips: pd.DataFrame):
    for row in clips.iloc[::7].itertuples():
        own = samples_of(root / row.audio_path)
        assert own.shape[1] == 1
        dialogue = row.clip_id.rpartition("_")[0]
        whole = samples_of(root / f"Session{row.session}/dialog/wav/{dialogue}.wav")
        assert whole.shape[1] == 2
        first = round(row.start_s * 16000)
        part = whole[first : first + len(own)]
        assert len(own) == round((row.end_s - row.start_s) * 16000)
        assert np.abs(part - own).min(axis=1).max() <= 1, "one of the two channels is the speaker's"


def test_word_times_are_true(root: Path, clips: pd.DataFrame):
    louder = []
    for row in clips[clips["words_path"].notna()].itertuples():
        lines = (root / row.words_path).read_text().splitlines()
        assert lines[0] == "\t%5s %5s %10s %s" % ("SFrm", "EFrm", "SegAScr", "Word")
        frames = [(int(a), int(b), w) for a, b, _, w in (line.split() for line in lines[1:-1])]
        assert all(line == "\t%5d %5d %10d %s" % (int(a), int(b), int(s), w) for line, (a, b, s, w) in
                   ((line, line.split()) for line in lines[1:-1]))  # fmt: skip
        assert re.fullmatch(r" Total score: +-?\d+", lines[-1])
        assert (frames[0][0], frames[0][2], frames[-1][2]) == (0, "<s>", "</s>")
        assert all(after[0] == before[1] + 1 for before, after in zip(frames, frames[1:], strict=False))
        samples = samples_of(root / row.audio_path)[:, 0]
        assert frames[-1][1] + 1 == math.floor(len(samples) / 160)
        words = read_words(root / row.words_path)
        spoken = [word for word in words if not _FILLER.fullmatch(word.text)]
        assert [word.text for word in spoken] == plain(row.text)
        if spoken:
            inside = np.zeros(len(samples), bool)
            for word in words:
                if word.text not in ("<s>", "</s>", "<sil>"):
                    inside[round(word.start_s * 16000) : round(word.end_s * 16000)] = True
            louder.append(np.sqrt(np.mean(samples[inside] ** 2)) / np.sqrt(np.mean(samples[~inside] ** 2)))
    assert np.median(louder) > 5
    assert any("(2)" in path.read_text() for path in root.rglob("Ses*.wdseg"))


def test_the_speaker_moves_on_the_given_half(root: Path, clips: pd.DataFrame):
    import av

    dialogue = clips[clips["clip_id"].str.startswith("Ses01F_impro01")].sort_values("start_s")
    with av.open(str(root / dialogue["video_path"].iloc[0])) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(30000, 1001)
        assert (stream.width, stream.height) == (720, 480)
        frames = [(float(frame.time), frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    times = np.array([time for time, _ in frames])
    pictures = np.stack([picture for _, picture in frames])
    assert pictures[:, :108].max() < 30
    assert pictures[:, 372:].max() < 30
    assert pictures[:, 120:360].mean() > 60
    mouths = pictures[:, 290:368].astype(np.int16)
    right = 0
    others = [(row.start_s, row.end_s) for row in dialogue.itertuples()]
    alone = [
        row
        for row in dialogue.itertuples()
        if sum(start < row.end_s and end > row.start_s for start, end in others) == 1
    ]
    for row in alone:
        during = mouths[(times >= row.start_s) & (times < row.end_s)]
        moved = np.abs(np.diff(during, axis=0)).mean(axis=(0, 1))
        side = "left" if moved[:360].sum() > moved[360:].sum() else "right"
        right += side == row.face_side
    assert len(alone) >= 4
    assert right >= 0.8 * len(alone)


def test_features_of_an_utterance(root: Path, clips: pd.DataFrame):
    for clip_id, side in (("Ses01F_impro01_F001", "left"), ("Ses01F_impro01_M001", "right")):
        row = clips.loc[clip_id]
        assert row["face_side"] == side
        media = media_of(root, row)
        assert media.audio is not None
        assert (media.audio.start_s, media.audio.end_s) == (0, None), "its own file, whole"
        length_s = row["end_s"] - row["start_s"]

        audio = run(chain("audio"), media).arrays["values"]
        np.testing.assert_array_equal(audio, samples_of(root / row["audio_path"])[:, 0])
        assert len(audio) == round(16000 * length_s)

        frames = run(chain("frames", {"fps": "source", "size_px": [72, 48]}), media)
        assert abs(frames.rows - length_s * 30000 / 1001) <= 1

        faces = run(chain("faces", {"size_px": 48}), media, face_side=side)
        left, _, width, _ = np.array(faces.arrays["box"][0])[[0, 1, 2, 3]]
        middle = (left + width) / 2
        assert (middle < 360) == (side == "left")

        words = run(chain("transcript"), media, text=row["text"])
        assert words.arrays["source"].tolist() == ["alignment"]
        assert [word.upper() for word in words.arrays["values"]] == plain(row["text"])
        assert np.all(np.diff(words.arrays["times"]) > 0)
        assert np.all(words.arrays["times"] < words.arrays["ends"])
        assert words.arrays["ends"][-1] <= length_s


def test_words_without_an_alignment_come_from_the_text(root: Path, clips: pd.DataFrame):
    row = clips[clips["words_path"].isna()].iloc[0]
    words = run(chain("transcript"), media_of(root, row), text=row["text"])
    assert words.arrays["source"].tolist() == ["text"]
    assert [word.upper() for word in words.arrays["values"]] == plain(row["text"])
    assert np.isnan(words.arrays["times"]).all()


def test_the_same_seed_gives_the_same_bytes(root: Path, tmp_path: Path):
    first, second, other = (tmp_path / name for name in "abc")
    lookalike(first, video=False)
    lookalike(second, video=False)
    lookalike(other, 1, video=False)
    made = digests(first)
    assert digests(second) == made
    with_video = digests(root)
    same = {path: digest for path, digest in made.items() if not path.endswith("LOOKALIKE.txt")}
    assert {path: with_video[path] for path in same} == same, "the video changes nothing else"
    assert set(digests(other)) == set(made)
    assert sum(digests(other)[path] != made[path] for path in made if "/sentences/wav/" in path) > 40
    assert not list(tmp_path.glob(".making-*"))


def test_it_touches_nothing_that_is_not_its_own(root: Path, tmp_path: Path):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    lookalike(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before, "what is there is kept"
    (tmp_path / "real/Session1").mkdir(parents=True)
    with pytest.raises(CorpusError, match="something else"):
        lookalike(tmp_path / "real")
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="something else"):
        lookalike(tmp_path / "file")


def test_sound_alone(tmp_path: Path):
    lookalike(tmp_path / "tree", video=False)
    found = find(tmp_path / "tree", {})
    assert found.clips["video_path"].isna().all()
    assert found.clips["audio_path"].notna().all()
    assert (found.clips["start_s"] == 0).all()
    assert any("without picture" in note for note in found.notes)
