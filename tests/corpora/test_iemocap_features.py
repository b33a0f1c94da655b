"""Features of utterances: audio from their own files, frames from their part and half of the dialogue's video."""

from __future__ import annotations

import re
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.extraction import chain, run

from affectstore.corpora.iemocap import _replica
from affectstore.corpora.iemocap._replica_audio import speak
from affectstore.corpora.iemocap._replica_plan import DIALOGUES
from affectstore.features.base import Media, Source
from affectstore.paths import Results
from affectstore.preflight.plan import plan_columns
from affectstore.preflight.scan import scan

DIALOGUE = "Ses05M_script01_1"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """One dialogue of the replica."""
    root = tmp_path_factory.mktemp("one_dialogue")
    _replica._write_dialogue(root / "Session5", speak(DIALOGUE, DIALOGUES[DIALOGUE], 0), 0, video=True)
    return root


@pytest.fixture(scope="module")
def clips(root: Path, tmp_path_factory) -> pd.DataFrame:
    return scan("iemocap", root, {}, results=Results(tmp_path_factory.mktemp("results"))).clips


@pytest.fixture(scope="module")
def plan(clips: pd.DataFrame) -> pd.DataFrame:
    return plan_columns(clips).set_index("clip_id")


def media_of(root: Path, row: pd.Series) -> Media:
    """Sources that a job takes from a row of the plan."""

    def source(kind: str) -> Source:
        start, end = row[f"{kind}_start_s"], row[f"{kind}_end_s"]
        return Source(root / row[f"{kind}_path"], Fraction(start or 0), Fraction(end) if end else None)

    return Media(source("audio"), source("video"), root / row["words_path"])


def spoken(text: str) -> list[str]:
    return re.sub(r"[^\w' ]", "", re.sub(r"\[\w+\]", " ", text)).lower().split()


def test_the_plan_cuts_the_video_and_not_the_audio(plan: pd.DataFrame, clips: pd.DataFrame):
    assert (plan[["audio_start_s", "audio_end_s"]] == "").all(axis=None)
    assert plan["video_start_s"].astype(float).tolist() == clips["start_s"].tolist()
    assert plan["video_end_s"].astype(float).tolist() == clips["end_s"].tolist()


def test_audio_is_the_utterances_own_file(root: Path, plan: pd.DataFrame, clips: pd.DataFrame):
    for row in clips.itertuples():
        values = run(chain("audio"), media_of(root, plan.loc[row.clip_id])).arrays["values"]
        with wave.open(str(root / row.audio_path)) as file:
            own = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        np.testing.assert_array_equal(values, own)
        assert len(values) == round(16000 * (row.end_s - row.start_s))


def test_frames_are_the_dialogues_part(root: Path, plan: pd.DataFrame, clips: pd.DataFrame):
    import av

    with av.open(str(root / clips["video_path"].iloc[0])) as container:
        whole = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    for row in clips.itertuples():
        frames = run(chain("frames", {"fps": "source", "size_px": [480, 720]}), media_of(root, plan.loc[row.clip_id]))
        inside = [frame for time, frame in whole if row.start_s <= time + 1e-6 < row.end_s]
        assert abs(frames.rows - len(inside)) <= 1
        difference = frames.arrays["values"][2].astype(int) - inside[2]
        assert np.abs(difference).mean() < 4, "the same frames, except for one or for compression"


def test_faces_are_the_speakers(root: Path, plan: pd.DataFrame):
    sides = set()
    faces = chain("faces", {"size_px": 48})
    for clip_id in (f"{DIALOGUE}_M000", f"{DIALOGUE}_F000"):
        side = plan.at[clip_id, "face_side"]
        left, top, right, bottom = run(faces, media_of(root, plan.loc[clip_id]), face_side=side).arrays["box"][0]
        assert ((left + right) / 2 < 360) == (side == "left")
        assert 112 < top < bottom < 368
        sides.add(side)
    assert sides == {"left", "right"}


def test_words_and_their_times_come_from_the_alignment(root: Path, plan: pd.DataFrame, clips: pd.DataFrame):
    for row in clips.itertuples():
        words = run(chain("transcript"), media_of(root, plan.loc[row.clip_id]), text=row.text).arrays
        assert words["source"].tolist() == ["alignment"]
        assert words["values"].tolist() == spoken(row.text)
        assert np.all(words["times"] < words["ends"])
        assert np.all(words["ends"][:-1] <= words["times"][1:] + 1e-9)
        assert words["times"][0] > 0
        assert words["ends"][-1] < row.end_s - row.start_s
    row = clips.set_index("clip_id").loc[f"{DIALOGUE}_F001"]
    assert row["text"].startswith("[BREATHING]")
    steps = ["sentence_tokens", "silence_token", "laughter_token", "breathing_token", "drop_garbage", "lower_case"]
    given = run(chain("transcript", {"steps": steps}), media_of(root, plan.loc[f"{DIALOGUE}_F001"]), text=row["text"])
    tokens = given.arrays["values"].tolist()
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert "++BREATHING++" in tokens
