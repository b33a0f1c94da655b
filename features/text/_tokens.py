"""Words and marks of a transcript.

A transcript is words and marks. Marks stand for what is heard but not said: `[LAUGHTER]` in written
transcriptions, `++LAUGHTER++` and `<sil>` in alignments, `<s>` and `</s>` where the sentence begins and ends.
"""

from __future__ import annotations

import re

from affectstore.media.words import Word

_MARK = re.compile(r"\[[^\W\d_][\w ]*\]|</?[^\W\d_]\w*>|\+\+[^\W\d_]\w*\+\+")
_TOKEN = re.compile(rf"{_MARK.pattern}|(?:(?!{_MARK.pattern})\S)+")
_APOSTROPHES = str.maketrans("’ʼ`", "'''")

#: What marks become where they are kept, as one token each.
SENTENCE_START, SENTENCE_END = "[CLS]", "[SEP]"
SILENCE, LAUGHTER, BREATHING = "<sil>", "++LAUGHTER++", "++BREATHING++"

_SPELLINGS = {"cls": "s", "sep": "/s", "silence": "sil", "breath": "breathing", "laugh": "laughter"}


def tokenise(text: str) -> tuple[Word, ...]:
    """The words and marks of a text, without times.

    White space separates, and so do the edges of a mark, whatever stands beside it; other punctuation stays
    with its word. Typographic apostrophes become `'`.

    >>> [word.text for word in tokenise("Well, [LAUGHTER]I don’t know.")]
    ['Well,', '[LAUGHTER]', 'I', "don't", 'know.']
    """
    return tuple(Word(token) for token in _TOKEN.findall(plain_apostrophes(text)))


def plain_apostrophes(text: str) -> str:
    """`text` with `'` for every apostrophe."""
    return text.translate(_APOSTROPHES)


def mark(text: str) -> str | None:
    """What a mark stands for, in lower case, or None for a word.

    `s` and `/s` (start and end of the sentence), `sil`, `laughter`, `breathing`, `garbage`, or whatever it says.

    >>> [mark(text) for text in ("++LAUGHTER++", "[LAUGHTER]", "<sil>", "</s>", "[SEP]", "laughter")]
    ['laughter', 'laughter', 'sil', '/s', '/s', None]
    """
    if not _MARK.fullmatch(text):
        return None
    name = text.strip("[]<>+").lower()
    return _SPELLINGS.get(name, name)
