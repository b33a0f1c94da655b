"""Frames on a time grid and at the source's rate."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from support import odd_media
from support.drawn_face import lossless_video
from support.extraction import extract

from affectstore.features.base import build


def numbered(path: Path, count: int = 30, fps: int = 30) -> Path:
    """Write a video whose k-th frame has gray level 8 k."""
    pictures = np.broadcast_to((8 * np.arange(count, dtype=np.uint8))[:, None, None, None], (count, 32, 32, 3))
    return lossless_video(path, np.ascontiguousarray(pictures), fps)


def numbers(values: np.ndarray) -> list[int]:
    """Read the numbers of the frames of a numbered video."""
    return np.rint(values.reshape(len(values), -1).mean(axis=1) / 8).astype(int).tolist()


def test_30_to_24_leaves_out_every_fifth(folder: Path):
    given = extract("frames", numbered(folder / "numbered.avi"), {"size_px": 16})
    # Row k begins at k/24 s, when picture floor(30 k / 24) is on screen (as in seed 001: one of five is dropped).
    assert numbers(given.arrays["values"]) == [30 * k // 24 for k in range(24)]
    assert given.grid.start == 0
    assert given.grid.rate == 24


def test_more_rows_than_pictures_repeat_them(folder: Path):
    given = extract("frames", numbered(folder / "numbered.avi"), {"size_px": 16, "fps": 60})
    assert numbers(given.arrays["values"]) == [k // 2 for k in range(60)]


def test_a_fraction_of_a_rate(folder: Path):
    given = extract("frames", numbered(folder / "numbered.avi"), {"size_px": 16, "fps": 29.97})
    assert given.grid.rate == Fraction(2997, 100)
    assert numbers(given.arrays["values"]) == [int(k * 30 * 100 / 2997) for k in range(30)]


def test_the_sources_own_pictures_and_times(folder: Path):
    given = extract("frames", odd_media.variable_rate(folder), {"size_px": 16, "fps": "source"})
    assert given.grid is None
    expected = [k / 25 for k in range(20)] + [k / 25 for k in range(20, 50, 5)]
    np.testing.assert_allclose(given.arrays["times"], expected)


def test_the_grid_starts_with_the_first_picture(folder: Path):
    given = extract("frames", odd_media.good_flv(folder), {"size_px": 16})
    assert given.grid.start == Fraction(25, 1000)
    assert given.rows == 48  # of 50 pictures in 2.000 s


def test_a_segment(folder: Path):
    path = numbered(folder / "numbered.avi")
    given = extract("frames", path, {"size_px": 16, "fps": 10}, segment=(Fraction("0.35"), Fraction("0.75")))
    assert numbers(given.arrays["values"]) == [int(30 * (0.35 + k / 10) + 1e-9) for k in range(4)]
    assert given.grid.start == 0


def test_colours_and_grey(folder: Path):
    rgb = extract("frames", odd_media.good_mp4(folder), {"size_px": 40}).arrays["values"]
    grey = extract("frames", odd_media.good_mp4(folder), {"size_px": 40, "colour": "grayscale"}).arrays["values"]
    assert grey.shape == rgb.shape[:3]
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma - grey).mean() < 4


@pytest.mark.parametrize("fps", [0, -1, "native"])
def test_impossible_rates(folder: Path, fps: object):
    with pytest.raises(ValueError, match="fps"):
        extract("frames", odd_media.good_mp4(folder), {"fps": fps})


def test_a_size_may_be_of_two_lengths_and_stays_upright(folder: Path):
    plain = odd_media.good_mp4(folder)
    given = extract("frames", plain, {"size_px": (40, 64)})
    assert given.arrays["values"].shape[1:] == (40, 64, 3)
    rotated = odd_media.rotated(folder)
    upright = extract("frames", rotated, {"fps": "source", "size_px": (40, 64), "colour": "grayscale"}).arrays["values"]
    tall = extract("frames", rotated, {"fps": "source", "size_px": (80, 64), "colour": "grayscale"}).arrays["values"]
    assert upright.shape[1:] == (40, 64)
    halved = tall.reshape(len(tall), 40, 2, 64).mean(axis=2)
    assert np.abs(upright - halved).mean() < 4


def test_every_fifth_picture_is_left_out(folder: Path):
    path = odd_media.good_flv(folder)
    every, kept = (extract("frames", path, {"fps": "source", "size_px": 32, "leave_out": k}) for k in (None, 5))
    stay = [k for k in range(every.rows) if k % 5 != 4]
    np.testing.assert_array_equal(kept.arrays["times"], every.arrays["times"][stay])
    np.testing.assert_array_equal(kept.arrays["values"], every.arrays["values"][stay])
    with pytest.raises(ValidationError, match="requires `fps: source`"):
        build("frames", {"leave_out": 5})
