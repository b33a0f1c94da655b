import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectstore.corpora.iemocap._names import parse, session_of

DIALOGUES = [
    "Ses01F_impro01", "Ses02M_script03_2", "Ses03M_impro08b", "Ses03M_impro05a", "Ses05M_script01_1",
    "Ses05M_script01_1b", "Ses04F_script02_1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "speaker", "side"),
    [
        ("Ses01F_impro01_F000", "01F", "left"),
        ("Ses01F_impro01_M000", "01M", "right"),
        ("Ses01M_impro01_F012", "01F", "right"),
        ("Ses01M_impro01_M012", "01M", "left"),
        ("Ses05M_script01_1b_F003", "05F", "right"),
        ("Ses03F_script03_2_MXX0", "03M", "right"),
    ],
)
def test_speaker_and_side(name: str, speaker: str, side: str):
    turn = parse(name)
    assert (turn.speaker, turn.face_side) == (speaker, side)
    assert turn.name == name
    # the rule that two published readers use
    assert (name[5] == name.split("_")[-1][0]) == (side == "left")


@given(
    st.sampled_from(DIALOGUES),
    st.sampled_from("FM"),
    st.one_of(st.integers(0, 999).map("{:03d}".format), st.just("XX0")),
)
def test_fields_of_every_name(dialogue: str, letter: str, number: str):
    turn = parse(f"{dialogue}_{letter}{number}")
    assert turn.dialogue == dialogue
    assert turn.session == dialogue[4] == session_of(dialogue)
    assert turn.speaker == f"0{dialogue[4]}{letter}"
    assert turn.numbered == (number != "XX0")
    assert turn.kind == ("improvised" if "impro" in dialogue else "scripted")
    assert dialogue.endswith(turn.scenario)


def test_the_dialogue_with_a_b_is_another_one():
    assert parse("Ses05M_script01_1_F000").dialogue == "Ses05M_script01_1"
    assert parse("Ses05M_script01_1b_F000").dialogue == "Ses05M_script01_1b"
    assert parse("Ses03M_impro08b_M000").scenario == "impro08b"


@pytest.mark.parametrize(
    "name",
    [
        "", "Ses06F_impro01_F000", "Ses01X_impro01_F000", "Ses01F_impro01", "Ses01F_impro01_F00",
        "Ses01F_impro01_F0000",
        "Ses01F_impro01_F000.wav", "._Ses01F_impro01_F000", "Ses01F_impro01_f000", "xSes01F_impro01_F000",
        "Ses01F_impro01_F000 ", "Ses01F_impro01_F000\n", "Ses01F_impro01_F٠٠٠", "Ses01F_talk01_F000",
        "Ses01F_impro01_FX00",
    ],
)  # fmt: skip
def test_what_is_no_name(name: str):
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        parse(name)


def test_what_is_no_dialogue():
    assert session_of("Ses01F_impro01_F000") is None
    assert session_of("Categorical") is None
    assert session_of("Ses00F_impro01") is None
