"""Pairs of frames against the containers' timestamps."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import odd_media
from support.drawn_face import lossless_video
from support.extraction import extract

from affectstore.errors import ClipError
from affectstore.features.base import build


@pytest.fixture(scope="module")
def numbered(folder: Path) -> Path:
    """Write 40 frames at 30 per second; the k-th has gray level 6 k."""
    pictures = np.broadcast_to((6 * np.arange(40, dtype=np.uint8))[:, None, None, None], (40, 32, 48, 3))
    return lossless_video(folder / "pairs.avi", np.ascontiguousarray(pictures), 30)


def numbers(values: np.ndarray) -> list[tuple[int, int]]:
    """Read the numbers of the frames in these pairs."""
    halves = np.split(values, 2, axis=2)
    left, right = (np.rint(half.reshape(len(half), -1).mean(axis=1) / 6).astype(int) for half in halves)
    return list(zip(left.tolist(), right.tolist(), strict=True))


def expected(times: list[Fraction], every: Fraction) -> list[tuple[int, int]]:
    """Pair frames by timestamps: the one on screen at each instant and its successor, while there is one."""
    pairs = []
    for instant in (times[0] + k * every for k in range(math.ceil((times[-1] - times[0]) / every) + 1)):
        shown = max(k for k, time in enumerate(times) if time <= instant)
        if shown + 1 < len(times):
            pairs.append((shown, shown + 1))
    return pairs


@pytest.mark.parametrize("maker", ["good_flv", "good_mp4", "variable_rate", "odd_size"])
def test_pairs_are_those_of_an_independent_decoding(folder: Path, maker: str):
    import av

    path = getattr(odd_media, maker)(folder)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [frame.pts * frame.time_base for frame in frames]
    result = extract("frame_pairs", path, {"size_px": [40, 64]})
    assert (result.grid.start, result.grid.rate) == (times[0], 2)
    pairs = expected(times, Fraction(1, 2))
    assert result.rows == len(pairs) == 4
    for row, pair in zip(result.arrays["values"], pairs, strict=True):
        for half, number in zip(np.split(row, 2, axis=1), pair, strict=True):
            picture = frames[number].to_ndarray(format="rgb24", width=64, height=40, interpolation="AREA")
            assert np.abs(picture.astype(int) - half).max() <= 2


def test_every_half_second_two_pictures(numbered: Path):
    result = extract("frame_pairs", numbered, {"size_px": 16})
    assert numbers(result.arrays["values"]) == [(0, 1), (15, 16), (30, 31)]
    assert result.arrays["values"].shape == (3, 16, 32, 3)
    assert (result.grid.start, result.grid.rate) == (0, 2)


def test_by_default_like_the_other_pictures(numbered: Path):
    assert extract("frame_pairs", numbered).arrays["values"].shape == (3, 224, 448, 3)
    assert build("frame_pairs", {"size_px": [10, 20]}).arrays()[0].shape == (10, 40, 3)


@settings(deadline=None, max_examples=25)
@given(st.decimals("0.005", "2", places=3), st.integers(0, 900), st.integers(100, 1300))
def test_instants_at_which_both_pictures_are_there(numbered: Path, every_s: object, begin_ms: int, end_ms: int):
    end_ms = max(end_ms, begin_ms + 70)
    segment = Fraction(begin_ms, 1000), Fraction(end_ms, 1000)
    result = extract("frame_pairs", numbered, {"size_px": 4, "every_s": float(every_s)}, segment=segment)
    first, last = math.floor(segment[0] * 30), math.ceil(segment[1] * 30) - 1
    times = [max(Fraction(k, 30), segment[0]) for k in range(first, last + 1)]
    pairs = expected(times, Fraction(str(every_s)))
    assert numbers(result.arrays["values"]) == [(one + first, other + first) for one, other in pairs]
    assert result.grid.start == 0
    assert result.grid.edge(result.rows - 1) < segment[1] - segment[0]


def test_an_instant_on_the_last_picture_gives_none(folder: Path):
    pictures = np.zeros((16, 16, 16, 3), dtype=np.uint8)
    path = lossless_video(folder / "sixteen.avi", pictures, 30)  # 0.5 s is when the last picture begins
    assert extract("frame_pairs", path, {"size_px": 8}).rows == 1


def test_one_picture_is_no_pair(folder: Path):
    path = lossless_video(folder / "one.avi", np.zeros((1, 16, 16, 3), dtype=np.uint8), 30)
    with pytest.raises(ClipError, match="one picture only"):
        extract("frame_pairs", path)


def test_grey(numbered: Path):
    given = extract("frame_pairs", numbered, {"size_px": 16, "colour": "grayscale"}).arrays["values"]
    assert given.shape == (3, 16, 32)
    assert numbers(given) == [(0, 1), (15, 16), (30, 31)]


@pytest.mark.parametrize("every_s", [0, -1, float("nan")])
def test_impossible_steps(every_s: float):
    with pytest.raises(ValueError, match="every_s"):
        build("frame_pairs", {"every_s": every_s})
