"""Names of CREMA-D's clips, ACTOR_SENTENCE_EMOTION_LEVEL; the synthetic corpus has such names, too.

Source: Cao et al. (2014), CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset, IEEE
Transactions on Affective Computing 5(4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: Emotion codes in the corpus' own order, with their long names.
EMOTIONS: Mapping[str, str] = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}

#: Emotion levels: low, medium, high, unspecified.
LEVELS: tuple[str, ...] = ("LO", "MD", "HI", "XX")

#: Sentence code -> text.
SENTENCES: Mapping[str, str] = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}

_ACTOR = re.compile(r"[0-9]{4}", re.ASCII)


@dataclass(frozen=True)
class Name:
    """Fields of a clip's name, as written: actor "1001", sentence "DFA", emotion "ANG", level "XX"."""

    actor: str
    sentence: str
    emotion: str
    level: str

    def __str__(self) -> str:
        return f"{self.actor}_{self.sentence}_{self.emotion}_{self.level}"


def parse(stem: str) -> Name:
    """Parse a file name without its extension.

    >>> parse("1001_DFA_ANG_XX").emotion
    'ANG'

    Raises:
        ValueError: The name has other fields; the message names the wrong one and lists the known values.
    """
    fields = stem.split("_")
    if len(fields) != 4:
        raise ValueError(f"the name {stem!r} has {len(fields)} fields, not the four of ACTOR_SENTENCE_EMOTION_LEVEL")
    name = Name(*fields)
    if not _ACTOR.fullmatch(name.actor):
        raise ValueError(f"the name {stem!r} starts with {name.actor!r}, not with an actor's four digits")
    for kind, value, known in (
        ("sentence", name.sentence, SENTENCES),
        ("emotion", name.emotion, EMOTIONS),
        ("level", name.level, LEVELS),
    ):
        if value not in known:
            raise ValueError(f"the name {stem!r} has the unknown {kind} {value!r}; known: {', '.join(known)}")
    return name
