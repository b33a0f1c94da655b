import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectstore.corpora._crema_d_names import EMOTIONS, LEVELS, SENTENCES, Name, parse

names = st.builds(
    Name,
    actor=st.integers(0, 9999).map("{:04d}".format),
    sentence=st.sampled_from(sorted(SENTENCES)),
    emotion=st.sampled_from(sorted(EMOTIONS)),
    level=st.sampled_from(LEVELS),
)


def test_fields_of_a_real_name():
    assert parse("1040_IEO_FEA_MD") == Name("1040", "IEO", "FEA", "MD")
    assert list(EMOTIONS) == ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]
    assert len(SENTENCES) == 12
    assert SENTENCES["TSI"] == "The surface is slick."


@given(names)
def test_a_name_reads_back(name: Name):
    assert parse(str(name)) == name


@pytest.mark.parametrize(
    ("stem", "word"),
    [
        ("1001_DFA_ANG", "3 fields"),
        ("1001_DFA_ANG_XX_2", "5 fields"),
        ("", "1 fields"),
        ("101_DFA_ANG_XX", "'101'"),
        ("١٠٠١_DFA_ANG_XX", "four digits"),
        ("1001_ABC_ANG_XX", "sentence 'ABC'"),
        ("1001_DFA_JOY_XX", "emotion 'JOY'"),
        ("1001_DFA_ANG_YY", "level 'YY'"),
        ("1001_dfa_ang_xx", "sentence 'dfa'"),
        ("1001_DFA_ANG_XX\n", "level"),
    ],
)
def test_other_names_are_refused_with_the_field(stem: str, word: str):
    with pytest.raises(ValueError, match=word):
        parse(stem)
