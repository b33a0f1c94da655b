from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectstore.corpora._ravdess_names import (
    ACTORS,
    EMOTIONS,
    INTENSITIES,
    LABELS,
    MODALITIES,
    REPETITIONS,
    SONG,
    SPEECH,
    STATEMENTS,
    TEXTS,
    Recording,
    parse,
    recordings,
)

ALL = {recording for channel in (SPEECH, SONG) for recording in recordings(channel)}


def test_fields_of_a_real_name():
    modality, recording = parse("03-01-06-01-02-01-12")
    assert modality == "03"
    assert recording == Recording("01", "06", "01", "02", "01", "12")
    assert (EMOTIONS["06"], STATEMENTS["02"], INTENSITIES["01"]) == ("FEA", "DOGS", "normal")
    assert TEXTS["DOGS"] == "Dogs are sitting by the door"
    assert list(LABELS) == list(EMOTIONS.values()) == ["NEU", "CAL", "HAP", "SAD", "ANG", "FEA", "DIS", "SUR"]


@given(
    st.sampled_from(sorted(MODALITIES)),
    st.builds(
        Recording,
        channel=st.sampled_from((SPEECH, SONG)),
        emotion=st.sampled_from(sorted(EMOTIONS)),
        intensity=st.sampled_from(sorted(INTENSITIES)),
        statement=st.sampled_from(sorted(STATEMENTS)),
        repetition=st.sampled_from(REPETITIONS),
        actor=st.sampled_from(ACTORS),
    ),
)
def test_a_name_reads_back_or_is_of_no_recording(modality: str, recording: Recording):
    stem = f"{modality}-{recording}"
    if recording in ALL:
        assert parse(stem) == (modality, recording)
    else:
        with pytest.raises(ValueError, match="is of no recording"):
            parse(stem)


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("03-01-05-02-01-01", "6 fields"),
        ("03-01-05-02-01-01-12-01", "8 fields"),
        ("", "1 fields"),
        ("04-01-05-02-01-01-12", "modality '04'; known: 01, 02, 03"),
        ("03-03-05-02-01-01-12", "channel '03'; known: 01, 02"),
        ("03-01-09-02-01-01-12", "emotion '09'"),
        ("03-01-05-03-01-01-12", "intensity '03'"),
        ("03-01-05-02-03-01-12", "statement '03'"),
        ("03-01-05-02-01-03-12", "repetition '03'"),
        ("03-01-05-02-01-01-25", "actor '25'; known: 01 to 24"),
        ("03-01-05-02-01-01-00", "actor '00'"),
        ("3-01-05-02-01-01-12", "modality '3'"),
        ("03-01-05-02-01-01-１２", "actor"),
        ("03-01-05-02-01-01-12 ", "actor '12 '"),
        ("03-01-01-02-01-01-12", "no strong neutral"),
        ("03-02-07-01-01-01-12", "no song with disgust"),
        ("03-02-08-01-01-01-12", "no song with surprised"),
        ("03-02-05-01-01-01-18", "actor 18 did not sing"),
    ],
)
def test_other_names_are_refused_with_the_field(stem: str, words: str):
    with pytest.raises(ValueError, match=words):
        parse(stem)


def test_which_recordings_there_are():
    speech, song = recordings(SPEECH), recordings(SONG)
    assert (len(speech), len(song), len(ALL)) == (1440, 1012, 2452)
    assert 3 * len(speech) + 3 * len(song) == 7356
    by_label = Counter(EMOTIONS[recording.emotion] for recording in speech)
    assert by_label == {label: 96 if label == "NEU" else 192 for label in LABELS}
    assert Counter(recording.actor for recording in speech) == dict.fromkeys(ACTORS, 60)
    assert {EMOTIONS[recording.emotion] for recording in song} == set(LABELS) - {"DIS", "SUR"}
    assert Counter(recording.actor for recording in song) == {actor: 44 for actor in ACTORS if actor != "18"}
