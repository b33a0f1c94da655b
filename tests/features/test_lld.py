"""Low-level descriptors against openSMILE called directly, by hand, and in time."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import opensmile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.extraction import extract, of_samples
from support.voice import values_of, voiced

from affectstore.errors import ClipError
from affectstore.features.audio._opensmile import Windows
from affectstore.features.audio.lld import SPEC
from affectstore.features.base import BaseExtractor, build
from affectstore.timeline import Grid

SEED_002 = {"window_ms": 32, "step_ms": 16}
COMPARE = opensmile.FeatureSet.ComParE_2016
LEVEL = opensmile.FeatureLevel
FLV = sorted(Path(os.environ.get("AFFECTSTORE_DATA", "nowhere")).glob("crema-d/VideoFlash/*.flv"))[::60]
WAV = sorted(Path(os.environ.get("AFFECTSTORE_DATA", "nowhere")).glob("ravdess/Actor_*/*.wav"))[::80]
slowly = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def columns(extractor: BaseExtractor) -> list[str]:
    return list(extractor.arrays()[0].columns)


def direct(samples: np.ndarray, rate_hz: int, level: LEVEL = LEVEL.LowLevelDescriptors):
    """Compute openSMILE's own table: its start times, and its values by name."""
    return opensmile.Smile(COMPARE, level).process_signal(samples / np.float32(32768), rate_hz)


@pytest.fixture(scope="module")
def lld() -> BaseExtractor:
    return build("lld")


@pytest.fixture(scope="module")
def seed_002() -> BaseExtractor:
    return build("lld", SEED_002)


@pytest.mark.parametrize("rate_hz", [16000, 22050, 44100])
def test_opensmile_gives_the_same(lld: BaseExtractor, rate_hz: int):
    samples = voiced(1.1, rate_hz)
    given, expected = of_samples(lld, samples, rate_hz), direct(samples, rate_hz)
    assert columns(lld) == list(expected.columns)
    assert len(columns(lld)) == 65
    np.testing.assert_array_equal(given.arrays["values"], expected.to_numpy())
    assert given.arrays["values"].dtype == np.float32


def test_deltas_are_joined_by_time(lld: BaseExtractor):
    samples = voiced(3)
    extractor = build("lld", {"deltas": True})
    values, names = of_samples(extractor, samples).arrays["values"], columns(extractor)
    plain, deltas = direct(samples, 16000), direct(samples, 16000, LEVEL.LowLevelDescriptors_Deltas)
    assert (len(plain), len(deltas), values.shape) == (296, 298, (296, 130))
    assert names == [*plain.columns, *deltas.columns]
    # openSMILE repeats starts among the rows that smoothing adds at the end.
    joined = plain.droplevel("end").join(deltas.droplevel("end"), how="inner")
    joined = joined[~joined.index.duplicated(keep=False)]
    rows = np.rint(joined.index.total_seconds() / 0.01).astype(int)
    assert len(rows) >= 290
    np.testing.assert_array_equal(values[rows], joined.to_numpy())
    # By hand: the slope of a regression over two frames to either side, of the same row.
    slope = (values[3:-1] - values[1:-3] + 2 * (values[4:] - values[:-4]))[:, :65] / 10
    smooth = [k for k, name in enumerate(names[:65]) if k >= 6]  # the first six stop at the borders of voicing
    np.testing.assert_allclose(
        values[2:-2, 65:][:, smooth], slope[:, smooth], rtol=1e-3, atol=1e-4 * np.abs(slope).max()
    )
    np.testing.assert_array_equal(values[:, :65], of_samples(lld, samples).arrays["values"])


def test_deltas_of_the_voice():
    """Compare openSMILE's deltas, which shrink along the clip, with the regression, the slope of voiced frames."""
    gap = np.zeros(3200, np.int16)
    samples = np.concatenate([voiced(0.6), gap, voiced(0.6)])
    extractor = build("lld", {"deltas": True, "voice_deltas": "regression"})
    values, given = (
        of_samples(extractor, samples).arrays["values"],
        of_samples(build("lld", {"deltas": True}), samples).arrays["values"],
    )
    names = columns(extractor)
    own = [k for k, name in enumerate(names) if (values[:, k] != given[:, k]).any()]
    assert [names[k].split("_sma")[0] for k in own] == [name.split("_sma")[0] for name in names[:6]]
    assert own == list(range(65, 71))
    pitch, slope, theirs = values[:, 0].astype(float), values[:, 65], given[:, 65]
    for row in range(2, len(pitch) - 2):
        pairs = [(lag, pitch[row - lag], pitch[row + lag]) for lag in (1, 2)]
        pairs = [(lag, *pair) for lag, *pair in pairs if 0 not in pair]
        expected = sum(lag * (b - a) for lag, a, b in pairs) / max(sum(2 * lag**2 for lag, *_ in pairs), 1)
        assert slope[row] == pytest.approx(expected, abs=1e-4)
    inner = np.flatnonzero((np.abs(slope) > 0.05) & (theirs != 0))
    early, late = inner[(inner > 5) & (inner < 25)], inner[inner > 100]
    assert len(early) > 5
    assert len(late) > 5
    assert (slope[late] / theirs[late]).min() > 3 * (slope[early] / theirs[early]).max()


def test_seed_002(seed_002: BaseExtractor):
    given = of_samples(seed_002, voiced(3))
    assert given.arrays["values"].shape == (185, 65)
    assert of_samples(build("lld", {**SEED_002, "deltas": True}), voiced(3)).arrays["values"].shape == (185, 130)
    pitch_hz = given.arrays["values"][:, columns(seed_002).index("F0final_sma")]
    centres = np.minimum((np.arange(185) * 0.016 + 0.030), 3)
    assert (pitch_hz > 0).all()
    np.testing.assert_allclose(pitch_hz[3:-3], 140 * (1 + 0.05 * np.sin(2 * np.pi * 1.3 * centres))[3:-3], rtol=0.01)


@pytest.mark.parametrize(
    ("options", "size", "step"), [({}, 320, 160), (SEED_002, 512, 256), ({"window_ms": 25}, 400, 160)]
)
def test_energy_by_hand(options: dict, size: int, step: int):
    """Compute row k from the samples of openSMILE's k-th window, whose centre it has."""
    samples, extractor = voiced(1), build("lld", options)
    given = of_samples(extractor, samples, start=Fraction(1, 3))
    x = samples / 32768
    rms = np.array([np.sqrt(np.mean(x[k * step : k * step + size] ** 2)) for k in range(given.rows)])
    smooth = np.convolve(rms, np.ones(3) / 3, "valid")
    energy = given.arrays["values"][:, columns(extractor).index("pcm_RMSenergy_sma")]
    np.testing.assert_allclose(energy[1:-1], smooth, rtol=1e-4)
    for row in (0, 17):
        middle = Fraction(1, 3) + Fraction(2 * row * step + size, 32000)
        assert given.grid.edge(row) + given.grid.edge(row + 1) == 2 * middle


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("options", [{}, SEED_002, {"window_ms": 22.7, "step_ms": 11.3}])
def test_the_rate_is_opensmiles_whole_samples(rate_hz: int, options: dict):
    """Round the step as openSMILE does: 221 samples for 220.5 at 22050 Hz, so rows are not 10 ms apart."""
    extractor = build("lld", options)
    samples = voiced(0.5, rate_hz)
    rows = of_samples(extractor, samples, rate_hz)
    starts = extractor._engine.smile.process_signal(samples / np.float32(32768), rate_hz).index.get_level_values(
        "start"
    )
    times = starts.total_seconds().to_numpy()[:-2]
    np.testing.assert_allclose(np.arange(len(times)) / float(rows.grid.rate), times, atol=1e-6)
    size, step = Windows.of_ms(options.get("window_ms", 20), options.get("step_ms", 10)).samples(rate_hz)
    assert rows.grid == Grid(Fraction(size - step, 2 * rate_hz), Fraction(rate_hz, step))


def test_a_click_is_seen_when_it_happens(lld: BaseExtractor):
    samples = np.zeros(16000, np.int16)
    samples[8040] = 30000
    given = of_samples(lld, samples)
    energy = given.arrays["values"][:, columns(lld).index("pcm_RMSenergy_sma")]
    seen = np.flatnonzero(energy > 0)
    assert seen.tolist() == [48, 49, 50, 51]  # two windows of 20 ms hold it, and their neighbours by smoothing
    assert abs(given.grid.centres_s(given.rows)[seen].mean() - 8040 / 16000) <= 0.005


def test_pitch_begins_and_ends_with_the_voice(lld: BaseExtractor):
    silence = np.zeros(8000, np.int16)
    given = of_samples(lld, np.concatenate([silence, voiced(0.5), silence]))
    notes = lld.attributes()
    later = (notes["pitch_window_ms"] - notes["window_ms"]) / 2000
    pitch = given.arrays["values"][:, columns(lld).index("F0final_sma")]
    middles = given.grid.centres_s(given.rows)[pitch > 0] + later
    assert abs(middles[0] - 0.5) <= 0.03
    assert abs(middles[-1] - 1.0) <= 0.03
    assert len(middles) == pytest.approx(50, abs=5)


@slowly
@given(hops=st.integers(1, 40), options=st.sampled_from([{}, SEED_002]), rate_hz=st.sampled_from([16000, 22050]))
def test_shifting_the_sound_shifts_every_column(hops: int, options: dict, rate_hz: int):
    """Cut d seconds from the silence before a voice: the grid moves by d and no row changes at its time."""
    extractor = build("lld", {**options, "deltas": True, "voice_deltas": "regression"})
    _, step = extractor.options.windows.samples(rate_hz)
    whole = np.concatenate([np.zeros(45 * step, np.int16), voiced(0.6, rate_hz)])
    one = of_samples(extractor, whole, rate_hz, Fraction(1, 7))
    other = of_samples(extractor, whole[hops * step :], rate_hz, Fraction(1, 7) + Fraction(hops * step, rate_hz))
    assert other.grid == Grid(one.grid.edge(hops), one.grid.rate)
    assert other.rows == one.rows - hops
    scale = np.abs(one.arrays["values"]).max(axis=0) + 1e-6
    # The smoothing of the first rows sees where the sound begins.
    np.testing.assert_allclose(one.arrays["values"][hops + 5 :] / scale, other.arrays["values"][5:] / scale, atol=1e-3)


@slowly
@given(hops=st.integers(1, 60))
def test_a_cut_within_the_voice_moves_all_but_what_remembers(lld: BaseExtractor, hops: int):
    one, other = (
        of_samples(lld, voiced(1.2)).arrays["values"],
        of_samples(lld, voiced(1.2)[hops * 160 :]).arrays["values"],
    )
    # RASTA filters, and the search for periods, start with the sound.
    remembers = ("jitter", "shimmer", "logHNR", "audspecRasta", "audSpec_Rfilt")
    columns_ = [k for k, name in enumerate(columns(lld)) if not name.startswith(remembers)]
    assert len(columns_) == 34
    scale = np.abs(one).max(axis=0)[columns_] + 1e-6
    np.testing.assert_allclose(
        one[hops + 3 : -3, columns_] / scale, other[3:-3, columns_] / scale, atol=1e-3, err_msg=f"{hops} hops"
    )


@slowly
@given(
    samples=st.integers(500, 6000),
    rate_hz=st.sampled_from([8000, 11025, 16000]),
    window_ms=st.sampled_from([20.0, 32.0, 60.0, 12.5]),
    share=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_rows_lie_within_the_sound(samples: int, rate_hz: int, window_ms: float, share: float):
    """Keep rows within half a window of the audio; refuse audio without a pitch window."""
    extractor = build("lld", {"window_ms": window_ms, "step_ms": min(40, share * window_ms)})
    voice = voiced(samples / rate_hz, rate_hz)
    duration, half = Fraction(len(voice), rate_hz), Fraction(str(window_ms)) / 2000 + Fraction(1, rate_hz)
    try:
        given = of_samples(extractor, voice, rate_hz)
    except ClipError:
        assert duration < Fraction(60, 1000) + Fraction(1, rate_hz)
        return
    assert duration > Fraction(60, 1000) - Fraction(1, rate_hz)
    assert given.grid.start >= -half
    assert given.grid.edge(given.rows) <= duration + half
    assert np.isfinite(given.arrays["values"]).all()


@pytest.mark.parametrize("options", [{}, {"deltas": True}, SEED_002])
def test_sounds_shorter_than_a_pitch_window(options: dict):
    extractor = build("lld", options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ClipError, match=r"lasts 0\.050 s; openSMILE's windows of pitch take 0\.060 s"):
            of_samples(extractor, voiced(0.05))
        assert of_samples(extractor, voiced(0.06)).rows == 2
    with pytest.raises(ClipError, match="no samples"):
        of_samples(extractor, np.zeros(0, np.int16))


@pytest.mark.parametrize("level", [0, 1, -32768, 32767])
@pytest.mark.parametrize("options", [{"deltas": True}, {**SEED_002, "deltas": True}])
def test_silence_and_constants_give_numbers(level: int, options: dict):
    values = of_samples(build("lld", options), np.full(8000, level, np.int16)).arrays["values"]
    assert np.isfinite(values).all()
    assert (values[:, 0] == 0).all()  # no pitch


def test_clipping_gives_numbers(lld: BaseExtractor):
    square = np.where(np.arange(16000) // 60 % 2, 32767, -32768).astype(np.int16)
    assert np.isfinite(of_samples(lld, square).arrays["values"]).all()


def test_processes_give_the_same():
    tasks = [("lld", {**SEED_002, "deltas": True}, seed) for seed in range(4)] + [("lld", {}, 7)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for there, here in zip(pool.map(values_of, tasks), map(values_of, tasks), strict=True):
            np.testing.assert_array_equal(there, here)


def test_golden():
    """Pin values of this version; increase SPEC.version with them."""
    wave = (np.abs(np.arange(8000) % 100 - 50) * 200 - 5000).astype(np.int16)
    extractor = build("lld", {**SEED_002, "deltas": True})
    values, names = of_samples(extractor, wave).arrays["values"], columns(extractor)
    chosen = [names.index(n) for n in ("F0final_sma", "pcm_RMSenergy_sma", "mfcc_sma[1]", "pcm_RMSenergy_sma_de")]
    assert SPEC.version == 1
    expected = [[160.0076, 0.088714, 38.38535, -0.000285], [160.0065, 0.087307, 38.79937, 0.000146]]
    np.testing.assert_allclose(values[[0, 12]][:, chosen], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.realdata
@pytest.mark.skipif(not (FLV and WAV), reason="AFFECTSTORE_DATA names no folder with crema-d and ravdess")
@pytest.mark.parametrize("path", [*FLV, *WAV], ids=lambda path: path.stem)
def test_real_clips_are_opensmiles(path: Path):
    audio = extract("audio", path)
    expected = direct(audio.arrays["values"], int(audio.grid.rate))
    rows = extract("lld", path)
    np.testing.assert_array_equal(rows.arrays["values"], expected.to_numpy())
    starts = expected.index.get_level_values("start").total_seconds().to_numpy()[:-2]
    np.testing.assert_allclose(rows.grid.centres_s(rows.rows)[:-2] - float(audio.grid.start), starts + 0.01, atol=1e-6)
