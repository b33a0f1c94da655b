"""Words and marks of a transcript.

Marks denote non-speech events: `[LAUGHTER]` in written transcriptions, `++LAUGHTER++` and `<sil>` in
alignments, `<s>` and `</s>` at the start and end of the sentence.
"""

from __future__ import annotations

import re

from affectstore.media.words import Word

_MARK = re.compile(r"\[[^\W\d_][\w ]*\]|</?[^\W\d_]\w*>|\+\+[^\W\d_]\w*\+\+")
_TOKEN = re.compile(rf"{_MARK.pattern}|(?:(?!{_MARK.pattern})\S)+")
_APOSTROPHES = str.maketrans("’ʼ`", "'''")

#: Tokens of the marks that are kept.
SENTENCE_START, SENTENCE_END = "[CLS]", "[SEP]"
SILENCE, LAUGHTER, BREATHING = "<sil>", "++LAUGHTER++", "++BREATHING++"

_SPELLINGS = {"cls": "s", "sep": "/s", "silence": "sil", "breath": "breathing", "laugh": "laughter"}


def tokenize(text: str) -> tuple[Word, ...]:
    """Split a text into words and marks, without times.

    White space separates, and so do the edges of a mark, whatever is next to it; other punctuation stays
    with its word. Typographic apostrophes are replaced by `'`.

    >>> [word.text for word in tokenize("Well, [LAUGHTER]I don’t know.")]
    ['Well,', '[LAUGHTER]', 'I', "don't", 'know.']
    """
    return tuple(Word(token) for token in _TOKEN.findall(plain_apostrophes(text)))


def plain_apostrophes(text: str) -> str:
    """Replace every apostrophe by `'`."""
    return text.translate(_APOSTROPHES)


def mark(text: str) -> str | None:
    """Name the event of a mark in lower case; None for a word.

    `s` and `/s` (start and end of the sentence), `sil`, `laughter`, `breathing`, `garbage`, or its own text.

    >>> [mark(text) for text in ("++LAUGHTER++", "[LAUGHTER]", "<sil>", "</s>", "[SEP]", "laughter")]
    ['laughter', 'laughter', 'sil', '/s', '/s', None]
    """
    if not _MARK.fullmatch(text):
        return None
    name = text.strip("[]<>+").lower()
    return _SPELLINGS.get(name, name)
