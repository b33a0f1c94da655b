"""Which utterances take part, by name of the rule; one that does not is left out with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from affectstore.corpora.iemocap._counts import FOUR_CLASSES
from affectstore.errors import ClipError
from affectstore.media.words import read_words

#: What is heard but nothing of it said; an utterance of laughter alone stays, it tells of an emotion.
_EMPTY = re.compile(r"(?:(?:\[|\+\+|<)(?:BREATHING|GARBAGE)(?:\]|\+\+|>)\W*)+", re.IGNORECASE)
#: Rows of an alignment that stand for no sound.
_SILENT = ("<s>", "</s>", "<sil>")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the rules look at.

    Attributes:
        evaluated: whether it has a row in EmoEvaluation.
        label: consensus code, None without a majority.
        text: its transcription, None without one.
        words: its file of word times, None without one.
    """

    evaluated: bool
    label: str | None
    text: str | None
    words: Path | None


def take_all(utterance: Utterance) -> str:
    """Every utterance; those without a majority of the raters have no label."""
    del utterance
    return ""


def four_classes(utterance: Utterance) -> str:
    """The raters agree, on anger, happiness, excitement, sadness or neutral."""
    if not utterance.evaluated:
        return "no label: it has no row in EmoEvaluation"
    if utterance.label is None:
        return "no agreement: no label has a majority of the raters (xxx)"
    if utterance.label not in FOUR_CLASSES:
        return f"the label {utterance.label} is none of the four classes"
    return ""


def seed_003(utterance: Utterance) -> str:
    """As `four_classes`, with a forced alignment, and with more in it than breath and garbage."""
    if reason := four_classes(utterance):
        return reason
    if utterance.words is None:
        return "no forced alignment"
    if utterance.text and _EMPTY.fullmatch(utterance.text):
        return f"the transcription is only {utterance.text}"
    heard = _heard(utterance.words)
    if heard and _EMPTY.fullmatch(heard):
        return f"the forced alignment is only {heard}"
    return ""


def _heard(path: Path) -> str:
    """Words and marks of an alignment; '' for one that cannot be read, which the features then say."""
    try:
        return " ".join(word.text for word in read_words(path) if word.text not in _SILENT)
    except ClipError:
        return ""


#: Rule -> the reason why an utterance is left out, '' for one that takes part.
RULES: Mapping[str, Callable[[Utterance], str]] = {
    "all": take_all,
    "four_classes": four_classes,
    "seed_003": seed_003,
}
