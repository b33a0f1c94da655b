"""Steps that turn the tokens of a transcript into the words that count, by name and in any order.

A step is a function of the words (with their marks, see `_tokens`) that gives words; what it makes of one word
lies within that word's span. Applying a step twice gives what applying it once gives.
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
#: Punctuation that parts words where no space does: dashes, an ellipsis, a slash, a comma; no hyphen, no apostrophe.
_BREAK = re.compile(r"--+|[–—…/]+|\.\.+|(?<=\w)[,;:!?](?=[^\W\d_])")
#: First letters of Unicode's categories of letters, their marks, and numbers.
_SPOKEN = frozenset("LMN")


def strip_marks(words: Words) -> Words:
    """Leave out every mark: laughter, breathing, silence, garbage, start and end of the sentence."""
    return tuple(word for word in words if mark(word.text) is None)


def strip_other_marks(words: Words) -> Words:
    """Leave out every mark but `[CLS]`, `[SEP]`, `<sil>`, `++LAUGHTER++` and `++BREATHING++`."""
    return tuple(word for word in words if mark(word.text) is None or word.text in _KEPT)


def lower_case(words: Words) -> Words:
    """Words in lower case; marks stay."""
    return tuple(word if mark(word.text) is not None else replace(word, text=word.text.lower()) for word in words)


def strip_punctuation(words: Words) -> Words:
    """Leave out what is no letter and no number at the edges of words, and part words at dashes, `...`, `/` and commas.

    What belongs to a word stays: `don't`, `'em`, `so-called`, `3.5`. A word of punctuation alone goes.
    """
    return _each(words, lambda text: tuple(filter(None, map(_without_edges, _BREAK.split(text)))))


def expand_contractions(words: Words) -> Words:
    """Write contractions out: `that's` becomes `that` and `is`, with parts of the span by their number of letters."""
    return _each(words, expand)


def sentence_tokens(words: Words) -> Words:
    """`<s>` becomes `[CLS]`, and `</s>` becomes `[SEP]`: rows of their own."""
    return _named(_named(words, "s", SENTENCE_START), "/s", SENTENCE_END)


def drop_sentence_marks(words: Words) -> Words:
    """Leave out `<s>` and `</s>`."""
    return tuple(word for word in words if mark(word.text) not in ("s", "/s"))


def silence_token(words: Words) -> Words:
    """Silence, however it is marked, becomes the token `<sil>`."""
    return _named(words, "sil", SILENCE)


def laughter_token(words: Words) -> Words:
    """Laughter, however it is marked, becomes the token `++LAUGHTER++`."""
    return _named(words, "laughter", LAUGHTER)


def breathing_token(words: Words) -> Words:
    """Breathing, however it is marked, becomes the token `++BREATHING++`."""
    return _named(words, "breathing", BREATHING)


def drop_garbage(words: Words) -> Words:
    """Leave out what the transcribers marked as garbage."""
    return tuple(word for word in words if mark(word.text) != "garbage")


def refuse_only_noise(words: Words) -> Words:
    """Fail a clip in which nobody says a word or laughs: breathing, garbage and silence only.

    Raises:
        ClipError: it is one.
    """
    if all(mark(word.text) in ("s", "/s", "sil", "breathing", "garbage") for word in words):
        heard = " ".join(word.text for word in words) or "nothing"
        raise ClipError(f"no word and no laughter in the transcript: {heard}")
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


def normalised(words: Iterable[Word], steps: Sequence[str]) -> Words:
    """`words` after the steps of these names, one after the other.

    Raises:
        ClipError: a step refuses them.
    """
    done = tuple(words)
    for step in steps:
        done = STEPS[step](done)
    return done


def _named(words: Words, name: str, token: str) -> Words:
    return tuple(replace(word, text=token) if mark(word.text) == name else word for word in words)


def _each(words: Words, change: Callable[[str], Sequence[str]]) -> Words:
    """What `change` makes of each word's text; marks stay."""
    done: list[Word] = []
    for word in words:
        done += [word] if mark(word.text) is not None else _parted(word, change(word.text))
    return tuple(done)


def _parted(word: Word, texts: Sequence[str]) -> list[Word]:
    """The word's span parted among `texts`, by their number of characters."""
    total, ends = sum(map(len, texts)), list(accumulate(map(len, texts)))
    span = word.end_s - word.start_s
    edges = [word.start_s, *(word.start_s + span * end / total for end in ends[:-1]), word.end_s]
    return [Word(text, *edge) for text, edge in zip(texts, pairwise(edges), strict=False)]


def _without_edges(text: str) -> str:
    spoken = [k for k, character in enumerate(text) if unicodedata.category(character)[0] in _SPOKEN]
    if not spoken:
        return ""
    first, end = spoken[0], spoken[-1] + 1
    if text[max(first - 1, 0) : end].lower() in BEGIN_WITH_AN_APOSTROPHE:
        first -= 1
    return text[first:end]
