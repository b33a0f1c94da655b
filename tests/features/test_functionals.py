"""Functionals against openSMILE called directly."""

from __future__ import annotations

import os
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import opensmile
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.extraction import extract, of_samples
from support.voice import voiced

from affectstore.errors import ClipError
from affectstore.features.audio.functionals import SPEC
from affectstore.features.base import build
from affectstore.timeline import Grid

SETS = {"ComParE_2016": 6373, "eGeMAPSv02": 88}
DATA = Path(os.environ.get("AFFECTSTORE_DATA", "nowhere"))
REAL = [
    *sorted(DATA.glob("crema-d/VideoFlash/*.flv"))[::90],
    *sorted(DATA.glob("ravdess/Actor_*/*.wav"))[::120],
]


@pytest.fixture(scope="module", params=SETS)
def extractor(request: pytest.FixtureRequest):
    return build("functionals", {"set": request.param})


def direct(name: str, samples: np.ndarray, rate_hz: int):
    smile = opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)
    return smile.process_signal(samples / np.float32(32768), rate_hz)


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_opensmile_gives_the_same(extractor, rate_hz: int):
    samples = voiced(1.3, rate_hz)
    given, expected = of_samples(extractor, samples, rate_hz), direct(extractor.options.set, samples, rate_hz)
    (spec,) = extractor.arrays()
    assert list(spec.columns) == list(expected.columns)
    assert len(set(spec.columns)) == SETS[extractor.options.set]
    assert given.arrays["values"].shape == (1, *spec.shape)
    np.testing.assert_array_equal(given.arrays["values"], expected.to_numpy())


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("eGeMAPSv02", "F0semitoneFrom27.5Hz_sma3nz_amean", 12 * np.log2(140 / 27.5)),
        ("ComParE_2016", "F0final_sma_amean", 140),
    ],
)
def test_the_mean_pitch_of_a_voice(name: str, column: str, expected: float):
    extractor = build("functionals", {"set": name})
    value = of_samples(extractor, voiced(2)).arrays["values"][0, extractor.arrays()[0].columns.index(column)]
    assert value == pytest.approx(expected, rel=0.01)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(start=st.fractions(-2, 5), samples=st.integers(1000, 8000), rate_hz=st.sampled_from([8000, 16000]))
def test_the_row_spans_the_sound(start: Fraction, samples: int, rate_hz: int):
    extractor = build("functionals", {"set": "eGeMAPSv02"})
    voice = voiced(samples / rate_hz, rate_hz)
    one, other = of_samples(extractor, voice, rate_hz), of_samples(extractor, voice, rate_hz, start)
    assert other.grid == Grid(start, Fraction(rate_hz, len(voice)))
    assert (other.rows, other.grid.edge(1)) == (1, start + Fraction(len(voice), rate_hz))
    np.testing.assert_array_equal(one.arrays["values"], other.arrays["values"])


def test_sounds_shorter_than_a_pitch_window(extractor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ClipError, match=r"the sound lasts 0\.050 s"):
            of_samples(extractor, voiced(0.05))
        assert np.isfinite(of_samples(extractor, voiced(0.06)).arrays["values"]).all()
    with pytest.raises(ClipError, match="no samples"):
        of_samples(extractor, np.zeros(0, np.int16))


@pytest.mark.parametrize("level", [0, 1, -32768])
def test_silence_and_constants_give_numbers(extractor, level: int):
    assert np.isfinite(of_samples(extractor, np.full(16000, level, np.int16)).arrays["values"]).all()


def test_unknown_set():
    with pytest.raises(pydantic.ValidationError, match="ComParE_2016"):
        build("functionals", {"set": "GeMAPS"})


def test_golden(extractor):
    """Pin values of this version; increase SPEC.version with them."""
    wave = (np.abs(np.arange(8000) % 100 - 50) * 200 - 5000).astype(np.int16)
    values, names = of_samples(extractor, wave).arrays["values"][0], extractor.arrays()[0].columns
    columns, expected = GOLDEN[extractor.options.set]
    assert SPEC.version == 1
    np.testing.assert_allclose([values[names.index(name)] for name in columns], expected, rtol=1e-3)


GOLDEN = {
    "ComParE_2016": (
        ("F0final_sma_amean", "pcm_RMSenergy_sma_amean", "mfcc_sma[1]_amean"),
        [160.007, 0.0881037, 38.44949],
    ),
    "eGeMAPSv02": (
        ("F0semitoneFrom27.5Hz_sma3nz_amean", "loudness_sma3_amean", "mfcc1_sma3_amean"),
        [30.48758, 0.387684, 38.45973],
    ),
}


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="AFFECTSTORE_DATA names no folder with crema-d and ravdess")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", SETS)
def test_real_clips_are_opensmiles(path: Path, name: str):
    audio = extract("audio", path)
    expected = direct(name, audio.arrays["values"], int(audio.grid.rate))
    np.testing.assert_array_equal(extract("functionals", path, {"set": name}).arrays["values"], expected.to_numpy())
