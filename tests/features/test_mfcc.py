"""MFCC against librosa called independently."""

from __future__ import annotations

import os
import warnings
import wave
from fractions import Fraction
from pathlib import Path

import librosa
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.extraction import extract, of_samples
from support.voice import voiced

from affectstore.errors import ClipError
from affectstore.features.audio.mfcc import SPEC
from affectstore.features.base import build
from affectstore.store.clip_arrays import ClipArrays
from affectstore.timeline import Grid

DATA = Path(os.environ.get("AFFECTSTORE_DATA", "nowhere"))
WAV = sorted(DATA.glob("ravdess/Actor_*/*.wav"))[::60]
FLV = sorted(DATA.glob("crema-d/VideoFlash/*.flv"))[::90]
FAST = {"resampling": "soxr_hq"}


def mfcc(samples: np.ndarray, rate_hz: int = 22050, start: Fraction = Fraction(0), **options) -> ClipArrays:
    return of_samples(build("mfcc", options), samples, rate_hz, start)


@pytest.mark.parametrize("rate_hz", [16000, 22050, 48000])
@pytest.mark.parametrize("resampling", ["kaiser_best", "soxr_hq"])
def test_librosa_gives_the_same(rate_hz: int, resampling: str):
    samples = voiced(1.1, rate_hz)
    given = mfcc(samples, rate_hz, resampling=resampling)
    y = librosa.resample(samples / np.float32(32768), orig_sr=rate_hz, target_sr=22050, res_type=resampling)
    np.testing.assert_allclose(given.arrays["values"], librosa.feature.mfcc(y=y, sr=22050, n_mfcc=40).T, atol=1e-3)
    assert given.arrays["values"].dtype == np.float32


def test_the_default_is_librosas_load_with_kaiser_best(tmp_path: Path):
    """Compute the coefficients of seed 004: the first 40 after "kaiser_best"."""
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(voiced(0.7, 48000).tobytes())
    y, rate = librosa.load(path, res_type="kaiser_best")
    given = extract("mfcc", path)
    assert rate == 22050
    np.testing.assert_allclose(given.arrays["values"], librosa.feature.mfcc(y=y, sr=rate, n_mfcc=40).T, atol=1e-3)


def test_options():
    samples = voiced(0.9, 16000)
    options = {"n_mfcc": 13, "sample_rate_hz": 16000, "n_fft": 512, "hop_length": 160, "n_mels": 40}
    given = mfcc(samples, 16000, **options)
    expected = librosa.feature.mfcc(
        y=samples / np.float32(32768), sr=16000, n_mfcc=13, n_fft=512, hop_length=160, n_mels=40
    )
    np.testing.assert_allclose(given.arrays["values"], expected.T, atol=1e-3)
    assert given.grid == Grid(-Fraction(1, 200), Fraction(100))


def test_the_kinds_of_resampling_differ():
    samples = voiced(0.4, 48000)
    best, soxr = (mfcc(samples, 48000, resampling=kind).arrays["values"] for kind in ("kaiser_best", "soxr_hq"))
    assert 1e-3 < np.abs(best - soxr).mean() < 5


def test_the_mean_over_time():
    samples, start = voiced(0.8), Fraction(2, 3)
    (row,) = mfcc(samples, start=start, average=True).arrays["values"]
    np.testing.assert_allclose(row, mfcc(samples).arrays["values"].mean(axis=0), rtol=1e-5, atol=1e-4)
    given = mfcc(samples, start=start, average=True)
    assert given.grid == Grid(start, Fraction(22050, len(samples)))
    assert build("mfcc", {"average": True}).arrays()[0].dims == ("clip", "coefficient")


@settings(max_examples=15, deadline=None, derandomize=True)
@given(hops=st.integers(1, 30), start=st.fractions(-1, 3))
def test_shifting_the_sound_shifts_the_coefficients(hops: int, start: Fraction):
    voice = voiced(1, 22050)
    # Levels reach 80 dB under the clip's maximum, so the loudest part has to stay in both.
    voice[18000:] = 30000 * np.sin(2 * np.pi * 500 * np.arange(len(voice) - 18000) / 22050)
    one, other = mfcc(voice, start=start), mfcc(voice[hops * 512 :], start=start + Fraction(hops * 512, 22050))
    assert other.grid == Grid(one.grid.edge(hops), one.grid.rate)
    assert other.rows == one.rows - hops
    np.testing.assert_allclose(one.arrays["values"][hops + 2 :], other.arrays["values"][2:], atol=0.02)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(samples=st.integers(3, 9000), rate_hz=st.sampled_from([8000, 11025, 48000]))
def test_columns_lie_within_the_sound(samples: int, rate_hz: int):
    given = mfcc(np.resize(voiced(0.5, rate_hz), samples), rate_hz, **FAST)
    half = Fraction(256, 22050)
    assert given.grid.start == -half
    assert given.grid.edge(given.rows) <= Fraction(samples, rate_hz) + half + Fraction(1, 22050)
    assert np.isfinite(given.arrays["values"]).all()


@pytest.mark.parametrize("level", [0, 1, 32767])
def test_silence_and_constants_give_numbers(level: int):
    values = mfcc(np.full(8000, level, np.int16), 16000, **FAST).arrays["values"]
    assert np.isfinite(values).all()
    if not level:
        # Only the mean level is left: -100 dB in each of 128 bands, by an orthonormal transform.
        np.testing.assert_allclose(values[:, 0], -100 * np.sqrt(128), rtol=1e-5)
        np.testing.assert_allclose(values[:, 1:], 0, atol=1e-2)


@pytest.mark.parametrize("resampling", ["kaiser_best", "kaiser_fast", "soxr_hq"])
def test_the_shortest_sounds(resampling: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mfcc(np.full(3, 1000, np.int16), 48000, resampling=resampling).rows == 1
        if resampling == "soxr_hq":
            assert mfcc(np.full(1, 1000, np.int16), 48000, resampling=resampling).rows == 1
        else:
            with pytest.raises(ClipError, match=r"2 samples at 48000 Hz: too few for kaiser_\w+ resampling to 22050"):
                mfcc(np.full(2, 1000, np.int16), 48000, resampling=resampling)
    with pytest.raises(ClipError, match="no samples"):
        mfcc(np.zeros(0, np.int16))


def test_more_coefficients_than_bands():
    with pytest.raises(pydantic.ValidationError, match="32 mel bands have no 40 coefficients"):
        build("mfcc", {"n_mels": 32})


def test_golden():
    """Pin values of this version; increase SPEC.version with them."""
    samples = (np.abs(np.arange(8000) % 91 - 45) * 200 - 4550).astype(np.int16)
    given = mfcc(samples, 16000)
    assert SPEC.version == 1
    assert given.rows == 22
    np.testing.assert_allclose(given.arrays["values"][[0, 11]][:, [0, 1, 13, 39]], GOLDEN, atol=1e-2)


GOLDEN = [[-235.3754, 106.9611, -7.7885, 3.8894], [-525.6155, 53.1135, -14.0033, 28.3005]]


@pytest.mark.realdata
@pytest.mark.skipif(not (WAV and FLV), reason="AFFECTSTORE_DATA names no folder with crema-d and ravdess")
@pytest.mark.parametrize("path", WAV, ids=lambda path: path.stem)
def test_recordings_are_librosas(path: Path):
    mixed, rate = librosa.load(path, sr=None)
    # Two channels are mixed to whole 16-bit numbers.
    y = np.rint(mixed * 32768).astype(np.float32) / 32768
    y = librosa.resample(y, orig_sr=rate, target_sr=22050, res_type="kaiser_best")
    expected = librosa.feature.mfcc(y=y, sr=22050, n_mfcc=40).T
    np.testing.assert_allclose(extract("mfcc", path).arrays["values"], expected, atol=1e-2)


@pytest.mark.realdata
@pytest.mark.skipif(not (WAV and FLV), reason="AFFECTSTORE_DATA names no folder with crema-d and ravdess")
@pytest.mark.parametrize("path", FLV, ids=lambda path: path.stem)
def test_clips_are_librosas(path: Path):
    audio = extract("audio", path)
    y = audio.arrays["values"] / np.float32(32768)
    y = librosa.resample(y, orig_sr=int(audio.grid.rate), target_sr=22050, res_type="kaiser_best")
    np.testing.assert_allclose(
        extract("mfcc", path).arrays["values"], librosa.feature.mfcc(y=y, sr=22050, n_mfcc=40).T, atol=1e-2
    )
