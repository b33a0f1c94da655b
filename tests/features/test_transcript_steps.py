"""Normalisation steps of transcripts: tokens, and properties of every step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectstore.features.text._steps import STEPS, normalize
from affectstore.features.text._tokens import mark, tokenize
from affectstore.media.words import Word

WORD_TEXTS = st.one_of(
    st.sampled_from(
        "that's I've WON'T shouldn't've gonna, 'em well-- a--b yes,no don't... doctor's <s> </s> <sil> ++LAUGHTER++ "  # noqa: SIM905
        "[BREATHING] ++GARBAGE++ [COUGH] 'quoted' -- '".split()
    ),
    st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=8),
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a [BREATHING][LAUGHTER]b", ["a", "[BREATHING]", "[LAUGHTER]", "b"]),
        ("<s> <sil> GOD ++LAUGHTER++ </s>", ["<s>", "<sil>", "GOD", "++LAUGHTER++", "</s>"]),
        ("1 < 2 > c++ [] [ x ]", ["1", "<", "2", ">", "c++", "[]", "[", "x", "]"]),
    ],
)
def test_tokens(text: str, tokens: list[str]):
    assert [word.text for word in tokenize(text)] == tokens


@st.composite
def timed_words(draw: st.DrawFn) -> tuple[Word, ...]:
    words, now = [], 0.0
    for text in draw(st.lists(WORD_TEXTS, min_size=1, max_size=8)):
        now += draw(st.sampled_from([0, 0.01, 0.5]))
        end = now + draw(st.integers(0, 200)) / 100
        words.append(Word(text, now, end))
        now = end
    return tuple(words)


@given(words=timed_words(), name=st.sampled_from(sorted(set(STEPS) - {"refuse_only_noise"})))
def test_a_step_twice_is_a_step_once(words: tuple[Word, ...], name: str):
    once = STEPS[name](words)
    assert STEPS[name](once) == once


@given(words=timed_words(), names=st.lists(st.sampled_from(sorted(set(STEPS) - {"refuse_only_noise"})), max_size=5))
def test_steps_keep_words_in_their_spans(words: tuple[Word, ...], names: list[str]):
    done = normalize(words, names)
    assert all(word.text for word in done)
    assert all(word.start_s <= word.end_s for word in done)
    assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(done))
    for word in done:
        assert any(before.start_s <= word.start_s and word.end_s <= before.end_s for before in words)


@given(
    text=WORD_TEXTS,
    start=st.floats(0, 1e4),
    length=st.floats(0, 100),
    name=st.sampled_from(["expand_contractions", "strip_punctuation"]),
)
def test_parts_of_a_word_partition_its_span(text: str, start: float, length: float, name: str):
    word = Word(text, start, start + length)
    parts = STEPS[name]((word,))
    if not parts:
        return
    assert parts[0].start_s == word.start_s
    assert parts[-1].end_s == word.end_s
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(parts))
    assert all(part.start_s <= part.end_s for part in parts)
    if mark(text) is None and length > 1e-3:
        letters = np.cumsum([len(part.text) for part in parts]) / sum(len(part.text) for part in parts)
        np.testing.assert_allclose([(part.end_s - start) / length for part in parts], letters, atol=1e-6)
