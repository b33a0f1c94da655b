"""List of names: balanced, without repeats, and unchanged where it grows."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectstore.corpora._crema_d_names import EMOTIONS, SENTENCES, parse
from affectstore.corpora.synthetic._plan import names


def test_default_is_balanced() -> None:
    clips = names(96)
    assert Counter(name.actor for name in clips) == {str(1001 + k): 12 for k in range(8)}
    assert Counter(name.emotion for name in clips) == dict.fromkeys(EMOTIONS, 16)
    assert Counter(name.sentence for name in clips) == dict.fromkeys(SENTENCES, 8)
    assert set(Counter((name.actor, name.emotion) for name in clips).values()) == {2}
    # no emotion may be told from what is said
    assert max(Counter((name.emotion, name.sentence) for name in clips).values()) == 2
    assert len({name.sentence for name in clips[:8]}) == 7


@pytest.mark.parametrize("clips", [6, 12, 24, 48])
def test_short_lists_are_balanced_too(clips: int) -> None:
    assert Counter(name.emotion for name in names(clips)) == dict.fromkeys(EMOTIONS, clips // 6)


@settings(max_examples=30, deadline=None)
@given(few=st.integers(1, 2000), more=st.integers(0, 2000))
def test_more_clips_keep_the_earlier_ones(few: int, more: int) -> None:
    long = names(few + more)
    assert long[:few] == names(few)
    assert len(set(map(str, long))) == few + more
    assert all(parse(str(name)) == name for name in long)


def test_a_speaker_ends_with_the_82_clips_of_crema_d() -> None:
    clips = [name for name in names(8000) if name.actor == "1003"]
    assert len(set(clips)) == 82
    assert Counter(name.level for name in clips) == {"XX": 67, "LO": 5, "MD": 5, "HI": 5}
    assert all((name.level == "XX") == (name.sentence != "IEO" or name.emotion == "NEU") for name in clips)
    assert {(name.emotion, name.sentence) for name in clips} == {(e, s) for e in EMOTIONS for s in SENTENCES}
