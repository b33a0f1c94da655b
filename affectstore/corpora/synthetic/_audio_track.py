"""Audio track of a clip: espeak-ng's speech, changed to express an emotion, in a noisy room."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from affectstore.corpora.synthetic._emotions import Prosody
from affectstore.corpora.synthetic._speaker import Speaker
from affectstore.errors import CorpusError

RATE_HZ = 22050
_VIBRATO_HZ = 6.5
_CREAK_HZ = 24.0
_SPEECH_DB = -23.0
_ROOM_DB = -52.0


@dataclass(frozen=True)
class Word:
    """A word with its start and end, in seconds from the clip's start."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class AudioTrack:
    """Audio of one clip.

    Attributes:
        samples: int16 (sample,) at RATE_HZ, mono.
        voice: float32 (sample,), the speech alone, which the mouth follows.
        words: Words, in the order of the sentence.
    """

    samples: np.ndarray
    voice: np.ndarray
    words: tuple[Word, ...]


def make_audio_track(
    text: str, speaker: Speaker, prosody: Prosody, multiple: int, rng: np.random.Generator
) -> AudioTrack:
    """Speak a sentence.

    Args:
        text: The sentence.
        speaker: Its speaker.
        prosody: Way of speaking.
        multiple: The number of samples is a multiple of this number.
        rng: Generator of the silence before and after, of breath and of room noise.

    Raises:
        CorpusError: espeak-ng is missing or fails.
    """
    voice, starts, end = _espeak(text, speaker, prosody)
    edges = np.append(starts, end)
    voice, edges = _insert_pauses(voice, edges, round(max(0.0, prosody.pause_s) * RATE_HZ))
    voice, edges = _warp(voice, edges, prosody, rng.uniform(0, 2 * np.pi))
    voice = _tilt(voice, prosody.tilt_db)
    envelope = _envelope(voice)
    time_s = np.arange(len(voice)) / RATE_HZ
    creak = float(np.clip(prosody.creak, 0, 0.9))
    voice = voice * (1 - creak * (0.5 + 0.5 * np.sin(2 * np.pi * _CREAK_HZ * time_s + rng.uniform(0, 2 * np.pi))))
    breath = 10 ** ((prosody.breath_db - 34) / 20) * envelope * rng.standard_normal(len(voice))
    voice = (voice + breath) * _gain(voice, _SPEECH_DB + prosody.level_db)

    before = round(rng.uniform(0.15, 0.28) * RATE_HZ)
    after = round(rng.uniform(0.18, 0.30) * RATE_HZ)
    length = -(-(before + len(voice) + after) // multiple) * multiple
    track = np.zeros(length)
    track[before : before + len(voice)] = voice
    room = _tilt(rng.standard_normal(length), -12.0)
    noisy = track + room * _gain(room, _ROOM_DB + 1.5 * rng.standard_normal())
    edges = (edges + before) / RATE_HZ
    words = tuple(
        Word(word, float(start), float(stop))
        for word, start, stop in zip(text.split(), edges[0::2], edges[1::2], strict=True)
    )
    samples = np.round(32767 * np.clip(noisy, -0.99, 0.99)).astype(np.int16)
    return AudioTrack(samples, track.astype(np.float32), words)


@cache
def _espeak_files() -> tuple[str, str]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise CorpusError(
            "the synthetic corpus speaks through espeak-ng, which is not installed: pip install 'affectstore[demo]'"
        ) from error
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()


def _espeak(text: str, speaker: Speaker, prosody: Prosody) -> tuple[np.ndarray, np.ndarray, int]:
    """Speak a text: samples as floats, first sample of each word, and end of the last word."""
    library, data = _espeak_files()
    request = {
        "library": library,
        "data": data,
        "voice": speaker.voice,
        "text": text,
        "rate_wpm": round(float(np.clip(speaker.rate_wpm * 2**prosody.rate, 90, 320))),
        "pitch": round(float(np.clip(speaker.pitch + prosody.pitch, 0, 99))),
        "pitch_range": round(float(np.clip(speaker.pitch_range + prosody.pitch_range, 0, 99))),
    }
    script = Path(__file__).with_name("_speak.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script)], input=json.dumps(request).encode(), capture_output=True, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise CorpusError(
            f"espeak-ng could not speak {text!r}: {lines[-1] if lines else f'exit status {done.returncode}'}"
        )
    head, _, body = done.stdout.partition(b"\n")
    answer = json.loads(head)
    if answer["rate_hz"] != RATE_HZ:
        raise CorpusError(f"espeak-ng speaks at {answer['rate_hz']} Hz, expected {RATE_HZ}")
    samples = np.frombuffer(body, np.int16)[: answer["end"]] / 32768.0
    return samples, np.array(answer["words"], float), len(samples)


def _insert_pauses(voice: np.ndarray, edges: np.ndarray, pause: int) -> tuple[np.ndarray, np.ndarray]:
    """Insert `pause` silent samples between words; return the edges as start, end, start, end, ..."""
    fade = min(110, pause)
    pieces, spans, at = [], [], 0
    last = len(edges) - 2
    for index in range(last + 1):
        piece = voice[round(edges[index]) : round(edges[index + 1])].copy()
        if fade and len(piece) > 2 * fade:
            ramp = np.linspace(0, 1, fade)
            piece[:fade] *= ramp if index else 1.0
            piece[-fade:] *= ramp[::-1] if index < last else 1.0
        spans += [at, at + len(piece)]
        pieces.append(piece)
        at += len(piece)
        if index < last:
            pieces.append(np.zeros(pause))
            at += pause
    return np.concatenate(pieces), np.array(spans, float)


def _warp(voice: np.ndarray, edges: np.ndarray, prosody: Prosody, phase: float) -> tuple[np.ndarray, np.ndarray]:
    """Add glide and vibrato by playing faster and slower; the words' edges move with their samples."""
    place = np.linspace(-0.5, 0.5, len(voice))
    time_s = np.arange(len(voice)) / RATE_HZ
    depth = max(0.0, prosody.vibrato_st)
    semitones = prosody.glide_st * place + depth * np.sin(2 * np.pi * _VIBRATO_HZ * time_s + phase)
    played_at = np.concatenate([[0.0], np.cumsum(2 ** (-semitones / 12))])
    samples = np.interp(np.arange(int(played_at[-1])), played_at[:-1], voice)
    return samples, np.interp(edges, np.arange(len(played_at)), played_at)


def _tilt(samples: np.ndarray, tilt_db: float) -> np.ndarray:
    """Apply a gain of 0 dB up to 500 Hz that reaches `tilt_db` three octaves above."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    octaves = np.clip(np.log2(np.maximum(hz, 1.0) / 500), 0, 3) / 3
    return np.fft.irfft(spectrum * 10 ** (tilt_db * octaves / 20), len(samples))


def _envelope(samples: np.ndarray, window_s: float = 0.02) -> np.ndarray:
    width = round(window_s * RATE_HZ)
    power = np.convolve(samples**2, np.full(width, 1 / width), mode="same")
    return np.sqrt(np.maximum(power, 0))


def _gain(samples: np.ndarray, level_db: float) -> float:
    """Compute the factor that sets the root mean square to `level_db` relative to full scale."""
    return float(10 ** (level_db / 20) / max(np.sqrt(np.mean(samples**2)), 1e-9))
