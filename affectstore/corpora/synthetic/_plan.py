"""Names of the clips: the first N of one endless balanced list."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from affectstore.corpora._crema_d_names import EMOTIONS, SENTENCES, Name

FIRST_ACTOR = 1001
#: Speakers come in groups; a group has rounds of twelve clips per speaker.
GROUP = 8
ROUND = 12
_ROUNDS = 7
#: Actors have four digits and 82 clips each, as in CREMA-D.
MAX_CLIPS = 82 * (9999 - FIRST_ACTOR + 1) // GROUP * GROUP

_EMOTIONS = tuple(EMOTIONS)
_SENTENCES = tuple(SENTENCES)
_LEVELS = ("LO", "MD", "HI")
#: With these steps every 6 speakers, and every 6 clips of a speaker, have each emotion once.
_STEPS = (0, 2, 4, 1, 3, 5)
#: Start of each of 6 speakers in the list of sentences. No list of starts pairs all emotions with all sentences evenly
#: (there are no orthogonal Latin squares of order 6); of the 7,776 lists this one comes closest.
_STARTS = (0, 5, 0, 2, 2, 1)


def names(clips: int) -> tuple[Name, ...]:
    """List the first `clips` names; a longer list starts with the shorter one.

    The first 96 are 8 speakers x 6 emotions x 2, with each sentence 8 times and every sentence of each speaker.
    """
    return tuple(islice(_all_names(), clips))


def _all_names() -> Iterator[Name]:
    """Yield rounds of more and more speakers, until each speaker has CREMA-D's 82 clips."""
    for diagonal in count():
        for group in range(max(0, diagonal - _ROUNDS + 1), diagonal + 1):
            yield from _one_round(group, diagonal - group)


def _one_round(group: int, number: int) -> Iterator[Name]:
    for clip in range(ROUND):
        for speaker in range(group * GROUP, (group + 1) * GROUP):
            name = _name(speaker, number, clip) if number < _ROUNDS - 1 else _left_over(speaker, clip)
            if name is not None:
                yield name


def _name(speaker: int, number: int, clip: int) -> Name:
    step, half = clip % 6, clip // 6
    emotion = (speaker + _STEPS[step]) % 6
    sentence = 2 * ((step + number + _STARTS[speaker % 6] + speaker // 6) % 6) + (half + speaker) % 2
    return _named(speaker, _EMOTIONS[emotion], _SENTENCES[sentence], turn=0)


def _left_over(speaker: int, clip: int) -> Name | None:
    """Name a clip of the last round: the two levels of "It's eleven o'clock" that the six rounds before left out."""
    feeling = [emotion for emotion in _EMOTIONS if emotion != "NEU"]
    if clip >= 2 * len(feeling):
        return None
    return _named(speaker, feeling[clip % len(feeling)], _SENTENCES[0], turn=1 + clip // len(feeling))


def _named(speaker: int, emotion: str, sentence: str, turn: int) -> Name:
    levelled = sentence == "IEO" and emotion != "NEU"
    level = _LEVELS[(speaker + _EMOTIONS.index(emotion) + turn) % 3] if levelled else "XX"
    return Name(str(FIRST_ACTOR + speaker), sentence, emotion, level)
