"""Rules of the option `utterances`: selection of utterances, with a reason for each one that is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from affectstore.corpora.iemocap._counts import FOUR_CLASSES
from affectstore.errors import ClipError
from affectstore.media.words import read_words

#: Transcription without words; an utterance of laughter alone is kept, since laughter expresses an emotion.
_EMPTY = re.compile(r"(?:(?:\[|\+\+|<)(?:BREATHING|GARBAGE)(?:\]|\+\+|>)\W*)+", re.IGNORECASE)
#: Rows of an alignment for silence.
_SILENT = ("<s>", "</s>", "<sil>")


@dataclass(frozen=True, slots=True)
class Utterance:
    """Facts about an utterance that the rules depend on.

    Attributes:
        evaluated: True if it has a row in EmoEvaluation.
        label: Consensus code; None without a majority.
        text: Transcription, if any.
        words: File of word times, if any.
    """

    evaluated: bool
    label: str | None
    text: str | None
    words: Path | None


def take_all(_utterance: Utterance) -> None:
    """Keep every utterance; those without a majority of the raters have no label."""


def four_classes(utterance: Utterance) -> str | None:
    """Keep utterances whose consensus is anger, happiness, excitement, sadness or neutral."""
    if not utterance.evaluated:
        return "no label: it has no row in EmoEvaluation"
    if utterance.label is None:
        return "no agreement: no label has a majority of the raters (xxx)"
    if utterance.label not in FOUR_CLASSES:
        return f"the label {utterance.label} is none of the four classes"
    return None


def seed_003(utterance: Utterance) -> str | None:
    """Keep utterances of `four_classes` with a forced alignment that holds more than breathing and garbage."""
    if reason := four_classes(utterance):
        return reason
    if utterance.words is None:
        return "no forced alignment"
    if utterance.text and _EMPTY.fullmatch(utterance.text):
        return f"the transcription is only {utterance.text}"
    aligned = _aligned_text(utterance.words)
    if aligned and _EMPTY.fullmatch(aligned):
        return f"the forced alignment is only {aligned}"
    return None


def _aligned_text(path: Path) -> str | None:
    """Join the words and marks of an alignment; None if it cannot be read, which extraction reports."""
    try:
        return " ".join(word.text for word in read_words(path) if word.text not in _SILENT)
    except ClipError:
        return None


#: Rule -> function that returns the reason why an utterance is left out, or None.
RULES: Mapping[str, Callable[[Utterance], str | None]] = {
    "all": take_all,
    "four_classes": four_classes,
    "seed_003": seed_003,
}
