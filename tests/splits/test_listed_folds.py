"""Protocol `speaker_independent` with the folds of a card: of speakers (RAVDESS) or of sessions (IEMOCAP)."""

import pandas as pd
import pytest

from affectstore.corpora.base import CORPORA, clips_table
from affectstore.splits import speaker_independent
from affectstore.splits.base import check_split


def clips_of(corpus: str, people: list[tuple[str, str | None]], takes: int = 2) -> pd.DataFrame:
    """Clips of people, each with a session."""
    people = [person for person in people for _ in range(takes)]
    columns = {
        "clip_id": [f"{number:04d}" for number in range(len(people))],
        "speaker": [speaker for speaker, _ in people],
        "session": [session for _, session in people],
        "label_intended": ["x"] * len(people),
    }
    clips = clips_table(corpus, columns)
    digests = pd.array([f"{number:064x}" for number in range(len(clips))], dtype="string")
    return clips.assign(audio_sha256=digests, video_sha256=pd.NA, has_audio=True, has_video=False)


def held_out(clips: pd.DataFrame, column: str) -> list[set[str]]:
    split = speaker_independent.split(clips)
    check_split(split, clips, speaker_disjoint=True)
    values = clips.set_index("clip_id")[column]
    return [set(values[rows["clip_id"]]) for _, rows in split[split["subset"] == "test"].groupby("fold")]


def test_speakers_of_the_card():
    card = CORPORA.load("ravdess").CARD
    actors = [(actor, None) for group in card.folds for actor in group]
    assert held_out(clips_of("ravdess", actors), "speaker") == [set(group) for group in card.folds]
    one_each = [(group[2], None) for group in card.folds]
    assert held_out(clips_of("ravdess", one_each), "speaker") == [{speaker} for speaker, _ in one_each]


def test_sessions_of_the_card():
    card = CORPORA.load("iemocap").CARD
    sessions = [value for group in card.folds for value in group]
    people = [(f"{session}{sex}", session) for session in sessions for sex in "FM"]
    clips = clips_of("iemocap", people)
    assert held_out(clips, "session") == [{session} for session in sessions]
    assert held_out(clips, "speaker") == [{f"{session}F", f"{session}M"} for session in sessions]


@pytest.mark.parametrize("lacking", [0, 5])
def test_a_group_that_nobody_is_of_means_other_folds(lacking: int):
    card = CORPORA.load("ravdess").CARD
    actors = [(actor, None) for number, group in enumerate(card.folds) for actor in group if number != lacking]
    folds = held_out(clips_of("ravdess", actors), "speaker")
    assert [len(fold) for fold in folds] == [4] * 5
    assert folds == held_out(clips_of("folder", actors), "speaker")


def test_unknown_speakers_and_other_corpora_have_folds_by_name():
    card = CORPORA.load("ravdess").CARD
    actors = [(actor, None) for group in card.folds for actor in group]
    assert len(held_out(clips_of("ravdess", [*actors, ("25", None)]), "speaker")) == 5
    assert len(held_out(clips_of("folder", actors), "speaker")) == 5
    assert len(held_out(clips_of("no such corpus", actors), "speaker")) == 5
