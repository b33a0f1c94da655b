"""English contractions and their expansions.

An ambiguous contraction has the expansion that is most frequent in conversation: `'s` is "is" (also for "it's
been"), `'d` is "would" (after how, where and why "did"; also for "had"), `ain't` is "is not". `'s` is
expanded only after words that cannot be possessive: "that's" is "that is", "the doctor's" stays.
"""

from __future__ import annotations

import re

_WHOLE = {
    "won't": "will not",
    "can't": "cannot",
    "shan't": "shall not",
    "ain't": "is not",
    "let's": "let us",
    "how'd": "how did",
    "where'd": "where did",
    "why'd": "why did",
    "y'all": "you all",
    "'em": "them",
    "'cause": "because",
    "'til": "until",
    "'bout": "about",
    "'tis": "it is",
    "'twas": "it was",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
    "gimme": "give me",
    "lemme": "let me",
    "dunno": "do not know",
}
BEGIN_WITH_AN_APOSTROPHE = frozenset(word for word in _WHOLE if word.startswith("'"))
_NOT = frozenset(
    "is are was were do does did has have had could would should might must need dare ought".split()  # noqa: SIM905
)
_IS = frozenset(
    "he she it that this there here what who where when why how everything something nothing anything everyone "  # noqa: SIM905
    "someone anyone everybody somebody nobody anybody one".split()
)
_ENDINGS = {"'re": "are", "'ve": "have", "'ll": "will", "'d": "would"}
_PARTS = re.compile(r"([^\w']*)(.*?)(\W*)", re.DOTALL)


def expand(written: str) -> tuple[str, ...]:
    """Expand a contraction; any other word is returned as it is.

    Punctuation around it stays with the first and the last word, and capitals stay: "I'VE" expands to "I" and "HAVE".

    >>> expand("shouldn't've"), expand("That's,"), expand("doctor's")
    (('should', 'not', 'have'), ('That', 'is,'), ("doctor's",))
    """
    matched = _PARTS.fullmatch(written)
    if matched is None or not matched[2]:
        return (written,)
    before, core, after = matched.groups()
    if core[0] == "'" and core.lower() not in _WHOLE:  # a quotation mark
        before, core = before + "'", core[1:]
    words = _expanded(core.lower())
    if len(words) == 1 and words[0] == core.lower():
        return (written,)
    if core.isupper():
        words = [word.upper() for word in words]
    elif core[0].isupper():
        words = [words[0].capitalize(), *words[1:]]
    words[0], words[-1] = before + words[0], words[-1] + after
    return tuple(words)


def _expanded(word: str) -> list[str]:
    if word in _WHOLE:
        return _WHOLE[word].split()
    stem, ending = word[:-3], word[-3:]
    if ending in _ENDINGS and stem:
        return [*_expanded(stem), _ENDINGS[ending]]
    if ending == "n't" and stem in _NOT:
        return [stem, "not"]
    stem, ending = word[:-2], word[-2:]
    if ending in _ENDINGS and stem:
        return [*_expanded(stem), _ENDINGS[ending]]
    if (ending == "'s" and stem in _IS) or word == "i'm":
        return [stem, "is" if ending == "'s" else "am"]
    return [word]
