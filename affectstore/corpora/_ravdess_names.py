"""Names of RAVDESS' files, MM-CC-EE-II-SS-RR-AA, and its recordings.

Source: Livingstone & Russo (2018), The Ryerson Audio-Visual Database of Emotional Speech and Song, PLoS ONE
13(5), e0196391, table 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

#: Modality codes: content of a file.
AUDIO_VIDEO, VIDEO_ONLY, AUDIO_ONLY = "01", "02", "03"
MODALITIES: Mapping[str, str] = {
    AUDIO_VIDEO: "audio and video",
    VIDEO_ONLY: "video only",
    AUDIO_ONLY: "audio only",
}
SPEECH, SONG = "01", "02"
CHANNELS: Mapping[str, str] = {SPEECH: "speech", SONG: "song"}
#: Emotion code -> label.
EMOTIONS: Mapping[str, str] = {
    "01": "NEU",
    "02": "CAL",
    "03": "HAP",
    "04": "SAD",
    "05": "ANG",
    "06": "FEA",
    "07": "DIS",
    "08": "SUR",
}
LABELS: Mapping[str, str] = {
    "NEU": "neutral",
    "CAL": "calm",
    "HAP": "happy",
    "SAD": "sad",
    "ANG": "angry",
    "FEA": "fearful",
    "DIS": "disgust",
    "SUR": "surprised",
}
INTENSITIES: Mapping[str, str] = {"01": "normal", "02": "strong"}
STATEMENTS: Mapping[str, str] = {"01": "KIDS", "02": "DOGS"}
#: Statement -> text.
TEXTS: Mapping[str, str] = {"KIDS": "Kids are talking by the door", "DOGS": "Dogs are sitting by the door"}
REPETITIONS = ("01", "02")
ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
#: Actor who did not sing.
_SPEAKS_ONLY = "18"
_NEUTRAL, _STRONG, _NOT_SUNG = "01", "02", ("07", "08")

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "modality": tuple(MODALITIES),
    "channel": tuple(CHANNELS),
    "emotion": tuple(EMOTIONS),
    "intensity": tuple(INTENSITIES),
    "statement": tuple(STATEMENTS),
    "repetition": REPETITIONS,
    "actor": ACTORS,
}


@dataclass(frozen=True)
class Recording:
    """A recording: all codes of a file's name except the modality."""

    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str

    def __str__(self) -> str:
        fields = (self.channel, self.emotion, self.intensity, self.statement, self.repetition, self.actor)
        return "-".join(fields)


def parse(stem: str) -> tuple[str, Recording]:
    """Parse a file name without its extension to its modality and recording.

    >>> modality, recording = parse("03-01-05-02-01-01-12")
    >>> modality, str(recording)
    ('03', '01-05-02-01-01-12')

    Raises:
        ValueError: The name has other fields, or names a recording that was never made; the message says why.
    """
    values = stem.split("-")
    if len(values) != len(_FIELDS):
        raise ValueError(
            f"the name {stem!r} has {len(values)} fields, not the seven of "
            "MODALITY-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR"
        )
    for (kind, known), value in zip(_FIELDS.items(), values, strict=True):
        if value not in known:
            listed = ", ".join(known) if len(known) < 10 else f"{known[0]} to {known[-1]}"
            raise ValueError(f"the name {stem!r} has the unknown {kind} {value!r}; known: {listed}")
    recording = Recording(*values[1:])
    if reason := _why_not_made(recording):
        raise ValueError(f"the name {stem!r} is of no recording: {reason}")
    return values[0], recording


def recordings(channel: str) -> tuple[Recording, ...]:
    """List every recording of a channel code: 1,440 of speech, 1,012 of song."""
    made = (Recording(channel, *values) for values in product(*list(_FIELDS.values())[2:]))
    return tuple(recording for recording in made if _why_not_made(recording) is None)


def _why_not_made(recording: Recording) -> str | None:
    """Reason why there is no such recording, or None."""
    if recording.emotion == _NEUTRAL and recording.intensity == _STRONG:
        return "there is no strong neutral"
    if recording.channel == SONG and recording.emotion in _NOT_SUNG:
        return f"there is no song with {LABELS[EMOTIONS[recording.emotion]]}"
    if recording.channel == SONG and recording.actor == _SPEAKS_ONLY:
        return f"actor {_SPEAKS_ONLY} did not sing"
    return None
