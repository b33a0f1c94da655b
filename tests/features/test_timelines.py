"""Contract of every audio feature about time; a new file is tested without further registration."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.extraction import of_samples
from support.voice import voiced

from affectstore.features.base import EXTRACTORS, BaseExtractor, build
from affectstore.timeline import grid_spans_ns

ACOUSTIC = tuple(
    name
    for name in EXTRACTORS.names()
    if EXTRACTORS.load(name).SPEC.modality == "audio" and EXTRACTORS.load(name).SPEC.needs == ("audio",)
)
RATE_HZ = 16000
VOICE = voiced(1.0, RATE_HZ)
#: Longest part of the sound that a row looks at beyond its own span, to either side.
REACH_S = 0.1


@pytest.fixture(scope="module", params=ACOUSTIC)
def extractor(request: pytest.FixtureRequest) -> BaseExtractor:
    return build(request.param)


def test_the_folder_was_looked_through():
    assert {"mel", "mfcc", "lld", "functionals"} <= set(ACOUSTIC)


@settings(max_examples=8, deadline=None)
@given(shift=st.fractions(min_value=-2, max_value=3600, max_denominator=48000))
def test_a_later_sound_is_the_same_later(extractor: BaseExtractor, shift: Fraction):
    here = of_samples(extractor, VOICE, RATE_HZ, Fraction(0))
    later = of_samples(extractor, VOICE, RATE_HZ, shift)
    assert here.grid is not None
    assert later.grid is not None
    assert later.grid.start - here.grid.start == shift
    assert later.grid.rate == here.grid.rate
    np.testing.assert_array_equal(later.arrays["values"], here.arrays["values"])


@settings(max_examples=6, deadline=None)
@given(samples=st.integers(RATE_HZ // 5, RATE_HZ), start=st.fractions(min_value=-1, max_value=5, max_denominator=44100))
def test_no_row_lies_before_the_sound_or_after_it(extractor: BaseExtractor, samples: int, start: Fraction):
    given = of_samples(extractor, VOICE[:samples], RATE_HZ, start)
    spans = grid_spans_ns(given.grid, given.rows) / 1e9
    end = float(start) + samples / RATE_HZ
    middles = spans.mean(axis=1)
    assert middles[0] >= float(start) - 1e-6
    assert middles[-1] <= end + REACH_S
    assert spans[-1, 1] >= end - REACH_S  # and the rows reach to its end
    assert (np.diff(spans[:, 0]) > 0).all()
