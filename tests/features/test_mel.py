"""Mel spectrograms against librosa called independently."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path

import librosa
import numpy as np
import pytest
from support import odd_media
from support.extraction import extract, sound

from affectstore.errors import ClipError
from affectstore.features.base import Clip, Media, build
from affectstore.store.clip_arrays import ClipArrays
from affectstore.timeline import Grid

NOWHERE = Media()


def mel(audio: ClipArrays, **options) -> ClipArrays:
    return build("mel", options).extract(Clip("clip", NOWHERE, {"audio": audio}))


def chirp(seconds: float, rate_hz: int) -> np.ndarray:
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.rint(8000 * np.sin(2 * np.pi * (200 + 900 * time) * time)).astype(np.int16)


@pytest.mark.parametrize("rate_hz", [16000, 22050, 44100, 48000])
@pytest.mark.parametrize(
    "options", [{}, {"n_mels": 64, "n_fft": 512, "hop_length": 160, "sample_rate_hz": 16000, "top_db": 60.0}]
)
def test_librosa_gives_the_same(rate_hz: int, options: dict):
    samples = chirp(1.3, rate_hz)
    given = mel(sound(samples, rate_hz), **options).arrays["values"]
    rate = options.get("sample_rate_hz", 22050)
    y = librosa.resample(samples / np.float32(32768), orig_sr=rate_hz, target_sr=rate)
    power = librosa.feature.melspectrogram(
        y=y,
        sr=rate,
        n_fft=options.get("n_fft", 2048),
        hop_length=options.get("hop_length", 512),
        n_mels=options.get("n_mels", 128),
    )
    expected = librosa.power_to_db(power, ref=np.max, top_db=options.get("top_db", 80))
    np.testing.assert_allclose(given, expected.T, atol=1e-4)


def test_resamplers_are_librosas():
    samples = chirp(0.3, 16000)
    given = mel(sound(samples), resampling="kaiser_fast").arrays["values"]
    y = librosa.resample(samples / np.float32(32768), orig_sr=16000, target_sr=22050, res_type="kaiser_fast")
    expected = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=22050), ref=np.max, top_db=80)
    np.testing.assert_allclose(given, expected.T, atol=1e-4)


def test_columns_are_centred_on_their_hops():
    given = mel(sound(chirp(1, 22050), 22050, Fraction(1, 2)))
    assert given.rows == 1 + 22050 // 512
    assert given.grid.rate == Fraction(22050, 512)
    for column in (0, 7, 43):
        centre = (given.grid.edge(column) + given.grid.edge(column + 1)) / 2
        assert centre == Fraction(1, 2) + Fraction(column * 512, 22050)


def test_a_click_is_seen_when_it_happens():
    samples = np.zeros(22050, dtype=np.int16)
    samples[10 * 512 + 100] = 32767
    given = mel(sound(samples, 22050))
    loudest = int(given.arrays["values"].mean(axis=1).argmax())
    assert loudest == given.grid.row_at(Fraction(10 * 512 + 100, 22050)) == 10


def test_shifting_the_sound_shifts_the_spectrogram():
    audio = chirp(0.5, 22050)
    one, other = mel(sound(audio, 22050)), mel(sound(audio, 22050, Fraction(3, 7)))
    np.testing.assert_array_equal(one.arrays["values"], other.arrays["values"])
    assert other.grid == Grid(one.grid.start + Fraction(3, 7), one.grid.rate)
    # Three hops of silence in front move the same columns by three; the ends see other neighbours.
    moved = mel(sound(np.concatenate([np.zeros(3 * 512, np.int16), audio]), 22050)).arrays["values"]
    np.testing.assert_allclose(moved[7:-1], one.arrays["values"][4:-1], atol=1e-3)


@pytest.mark.parametrize("level", [0, 3])
def test_silence_has_no_spectrogram(level: int):
    with pytest.raises(ClipError, match="silent"):
        mel(sound(np.full(8000, level, dtype=np.int16)))


def test_the_least_sound_has_one():
    assert mel(sound(np.tile([4, -4], 4000).astype(np.int16))).rows > 0


@pytest.mark.parametrize("samples", [1, 5, 300])
def test_sounds_shorter_than_a_window(samples: int):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = mel(sound(np.full(samples, 1000, dtype=np.int16), 22050))
    assert given.rows == 1
    assert np.isfinite(given.arrays["values"]).all()


def test_no_samples():
    with pytest.raises(ClipError, match="no samples"):
        mel(sound(np.zeros(0, dtype=np.int16)))


def test_from_a_file(folder: Path):
    given = extract("mel", odd_media.late_audio(folder))
    assert given.grid.start == Fraction(1, 2) - Fraction(256, 22050)
    band = given.arrays["values"].mean(axis=0).argmax()
    assert abs(librosa.mel_frequencies(130, fmax=11025)[1:-1][band] - 440) < 30
