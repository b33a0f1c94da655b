"""Normalisation steps from the tokens of a transcript to words, by name and in any order.

A step is a function from words (with their marks, see `_tokens`) to words; its output for one word lies
within that word's span. Every step is idempotent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from affectstore.errors import ClipError
from affectstore.features.text._contractions import BEGIN_WITH_AN_APOSTROPHE, expand
from affectstore.features.text._tokens import (
    BREATHING,
    LAUGHTER,
    SENTENCE_END,
    SENTENCE_START,
    SILENCE,
    mark,
)
from affectstore.media.words import Word

Words = tuple[Word, ...]
Step = Callable[[Words], Words]

_KEPT = frozenset({SENTENCE_START, SENTENCE_END, SILENCE, LAUGHTER, BREATHING})
#: Punctuation that separates words without a space: dashes, an ellipsis, a slash, a comma; no hyphen, no apostrophe.
_BREAK = re.compile(r"--+|[–—…/]+|\.\.+|(?<=\w)[,;:!?](?=[^\W\d_])")
#: First letters of Unicode's categories of letters, their marks, and numbers.
_SPOKEN = frozenset("LMN")


def strip_marks(words: Words) -> Words:
    """Drop every mark: laughter, breathing, silence, garbage, start and end of the sentence."""
    return tuple(word for word in words if mark(word.text) is None)


def strip_other_marks(words: Words) -> Words:
    """Drop every mark except `[CLS]`, `[SEP]`, `<sil>`, `++LAUGHTER++` and `++BREATHING++`."""
    return tuple(word for word in words if mark(word.text) is None or word.text in _KEPT)


def lower_case(words: Words) -> Words:
    """Convert words to lower case; marks stay."""
    return tuple(word if mark(word.text) is not None else replace(word, text=word.text.lower()) for word in words)


def strip_punctuation(words: Words) -> Words:
    """Strip non-alphanumeric characters at the edges of words; split words at dashes, `...`, `/` and commas.

    Punctuation inside a word stays: `don't`, `'em`, `so-called`, `3.5`. A word of punctuation alone is dropped.
    """
    return _map_words(words, lambda text: tuple(filter(None, map(_strip_edges, _BREAK.split(text)))))


def expand_contractions(words: Words) -> Words:
    """Expand contractions: `that's` to `that` and `is`, with parts of the span by their number of letters."""
    return _map_words(words, expand)


def sentence_tokens(words: Words) -> Words:
    """Replace `<s>` by `[CLS]`, and `</s>` by `[SEP]`: rows of their own."""
    return _replace_marks(_replace_marks(words, "s", SENTENCE_START), "/s", SENTENCE_END)


def drop_sentence_marks(words: Words) -> Words:
    """Drop `<s>` and `</s>`."""
    return tuple(word for word in words if mark(word.text) not in ("s", "/s"))


def silence_token(words: Words) -> Words:
    """Replace every mark of silence by the token `<sil>`."""
    return _replace_marks(words, "sil", SILENCE)


def laughter_token(words: Words) -> Words:
    """Replace every mark of laughter by the token `++LAUGHTER++`."""
    return _replace_marks(words, "laughter", LAUGHTER)


def breathing_token(words: Words) -> Words:
    """Replace every mark of breathing by the token `++BREATHING++`."""
    return _replace_marks(words, "breathing", BREATHING)


def drop_garbage(words: Words) -> Words:
    """Drop marks of garbage, as transcribers call unintelligible parts."""
    return tuple(word for word in words if mark(word.text) != "garbage")


def refuse_only_noise(words: Words) -> Words:
    """Fail a clip without a word or laughter: breathing, garbage and silence only.

    Raises:
        ClipError: The clip has only noise.
    """
    if all(mark(word.text) in ("s", "/s", "sil", "breathing", "garbage") for word in words):
        tokens = " ".join(word.text for word in words) or "nothing"
        raise ClipError(f"no word and no laughter in the transcript: {tokens}")
    return words


#: Every step by its name.
STEPS: Mapping[str, Step] = {
    step.__name__: step
    for step in (
        strip_marks,
        strip_other_marks,
        strip_punctuation,
        lower_case,
        expand_contractions,
        sentence_tokens,
        drop_sentence_marks,
        silence_token,
        laughter_token,
        breathing_token,
        drop_garbage,
        refuse_only_noise,
    )
}


def normalize(words: Iterable[Word], steps: Sequence[str]) -> Words:
    """Apply the steps of these names to `words`, one after the other.

    Raises:
        ClipError: A step refuses the words.
    """
    done = tuple(words)
    for step in steps:
        done = STEPS[step](done)
    return done


def _replace_marks(words: Words, name: str, token: str) -> Words:
    return tuple(replace(word, text=token) if mark(word.text) == name else word for word in words)


def _map_words(words: Words, change: Callable[[str], Sequence[str]]) -> Words:
    """Apply `change` to each word's text; marks stay."""
    done: list[Word] = []
    for word in words:
        done += [word] if mark(word.text) is not None else _split_span(word, change(word.text))
    return tuple(done)


def _split_span(word: Word, texts: Sequence[str]) -> list[Word]:
    """Split the word's span among `texts`, by their number of characters."""
    total, ends = sum(map(len, texts)), list(accumulate(map(len, texts)))
    span = word.end_s - word.start_s
    edges = [word.start_s, *(word.start_s + span * end / total for end in ends[:-1]), word.end_s]
    return [Word(text, *edge) for text, edge in zip(texts, pairwise(edges), strict=False)]


def _strip_edges(text: str) -> str:
    spoken = [k for k, character in enumerate(text) if unicodedata.category(character)[0] in _SPOKEN]
    if not spoken:
        return ""
    first, end = spoken[0], spoken[-1] + 1
    if text[max(first - 1, 0) : end].lower() in BEGIN_WITH_AN_APOSTROPHE:
        first -= 1
    return text[first:end]
