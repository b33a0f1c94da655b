"""Audio of the replica: each turn is spoken, mixed into its dialogue and cut out of it again."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectstore.corpora.iemocap._replica_plan import Line
from affectstore.corpora.synthetic._audio_track import RATE_HZ as SPOKEN_HZ
from affectstore.corpora.synthetic._audio_track import make_audio_track
from affectstore.corpora.synthetic._emotions import PROSODY, PROSODY_NOISE, SOUNDS_LIKE, sample_manner
from affectstore.corpora.synthetic._random import generator
from affectstore.corpora.synthetic._speaker import Speaker, speaker

RATE_HZ = 16_000
#: Lengths are multiples of these numbers of samples at the two rates: 0.02 s, two frames of an alignment.
_SPOKEN_UNIT, _UNIT = SPOKEN_HZ // 50, RATE_HZ // 50
#: Times are written with four decimals; a step of eight samples is exact in them.
_TICK_S = 0.0005
_LEAK = 0.1
_ROOM = 0.002
#: Label -> emotion of the synthetic corpus and its strength.
EMOTION_OF: dict[str, tuple[str, float]] = {
    "ang": ("ANG", 1.0),
    "hap": ("HAP", 0.9),
    "exc": ("HAP", 1.15),
    "sad": ("SAD", 1.0),
    "neu": ("NEU", 1.0),
    "fru": ("ANG", 0.6),
    "fea": ("FEA", 1.0),
    "sur": ("FEA", 0.7),
    "dis": ("DIS", 1.0),
}


@dataclass(frozen=True)
class Spoken:
    """A turn with its audio.

    Attributes:
        line: The turn.
        start_s: Start in the dialogue, with four decimals.
        voice: float (sample,) at RATE_HZ, the speaker alone.
        tokens: Words and marks with their starts and ends, from the start of the turn.
    """

    line: Line
    start_s: float
    voice: np.ndarray
    tokens: tuple[tuple[str, float, float], ...]

    @property
    def end_s(self) -> float:
        """End in the dialogue."""
        return round(self.start_s + len(self.voice) / RATE_HZ, 4)


@dataclass(frozen=True)
class Dialogue:
    """A dialogue: its turns in the order of time, and float (sample, 2) at RATE_HZ, first channel the woman's."""

    name: str
    turns: tuple[Spoken, ...]
    channels: np.ndarray

    def cut(self, turn: Spoken) -> np.ndarray:
        """Cut a turn out of its speaker's channel, float (sample,)."""
        first = round(turn.start_s * RATE_HZ)
        return self.channels[first : first + len(turn.voice), "FM".index(turn.line.turn.sex)]


def actor(seed: int, session: str, sex: str) -> Speaker:
    """Build the woman or the man of a session."""
    return speaker(seed, 1001 + 2 * (int(session) - 1) + "FM".index(sex))


def speak(name: str, lines: tuple[Line, ...], seed: int) -> Dialogue:
    """Speak a dialogue; the second turn begins before the first one ends."""
    rng = generator(seed, "dialogue", name)
    turns: list[Spoken] = []
    now_s = rng.uniform(0.4, 0.7)
    for number, line in enumerate(lines):
        overlaps = number == 1 or (number > 1 and line.turn.sex != lines[number - 1].turn.sex and rng.random() < 0.25)
        if number:
            now_s = turns[-1].end_s + (-0.35 if overlaps else rng.uniform(0.05, 0.2))
        voice, tokens = _turn(line, seed)
        turns.append(Spoken(line, round(round(now_s / _TICK_S) * _TICK_S, 4), voice, tokens))
    length = round((max(turn.end_s for turn in turns) + 0.4) * RATE_HZ)
    voices = np.zeros((length, 2))
    for turn in turns:
        first = round(turn.start_s * RATE_HZ)
        voices[first : first + len(turn.voice), "FM".index(turn.line.turn.sex)] += turn.voice
    channels = voices + _LEAK * voices[:, ::-1] + _ROOM * rng.standard_normal(voices.shape)
    return Dialogue(name, tuple(turns), channels)


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write floats (sample,) or (sample, channel) as 16-bit PCM behind a header of 44 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.round(32767 * np.clip(samples, -0.99, 0.99)).astype("<i2").tobytes())


def _turn(line: Line, seed: int) -> tuple[np.ndarray, tuple[tuple[str, float, float], ...]]:
    rng = generator(seed, "sound", line.turn.name)  # the name is part of the seed
    emotion, strength = EMOTION_OF.get(line.label, ("NEU", 1.0))
    prosody = sample_manner(PROSODY[emotion], PROSODY[SOUNDS_LIKE[emotion]], PROSODY_NOISE, strength, rng)
    who = actor(seed, line.turn.session, line.turn.sex)
    voices: list[np.ndarray] = []
    tokens: list[tuple[str, float, float]] = []
    at_s = 0.0
    for kind, text in line.pieces():
        if kind == "mark":
            voice = _noise(text, rng)
            tokens.append((f"++{text}++", at_s + 0.1, at_s + len(voice) / RATE_HZ - 0.1))
        else:
            track = make_audio_track(text, who, prosody, _SPOKEN_UNIT, rng)
            voice = _resample(track.voice.astype(float))
            tokens += [(word.text.upper(), at_s + word.start_s, at_s + word.end_s) for word in track.words]
        voices.append(voice)
        at_s += len(voice) / RATE_HZ
    return np.concatenate(voices), tuple(tokens)


def _resample(samples: np.ndarray) -> np.ndarray:
    """Resample from SPOKEN_HZ to RATE_HZ by cutting the spectrum."""
    length = len(samples) // _SPOKEN_UNIT * _UNIT
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * (length / len(samples))


def _noise(mark: str, rng: np.random.Generator) -> np.ndarray:
    """Generate breathing, laughter (modulated breathing) or a rumble, 0.6 to 0.9 s."""
    length = int(rng.integers(30, 46)) * _UNIT
    time_s = np.arange(length) / RATE_HZ
    noise = rng.standard_normal(length)
    if mark == "GARBAGE":
        noise = np.cumsum(noise - noise.mean())
        noise /= np.abs(noise).max()
    swell = np.sin(np.pi * np.arange(length) / length)
    if mark == "LAUGHTER":
        swell *= 0.5 + 0.5 * np.sin(2 * np.pi * 5 * time_s)
    return 0.04 * noise * swell
