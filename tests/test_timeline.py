"""Grids of rows, spans and overlaps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectstore.timeline import Grid, overlap_weights, resample, rows_covering

rates = st.fractions(min_value=Fraction(1, 10), max_value=50000, max_denominator=1001)
starts = st.fractions(min_value=-2, max_value=100, max_denominator=44100)
lengths = st.fractions(min_value=Fraction(1, 1000), max_value=10, max_denominator=1000)


@given(rates, starts, st.integers(1, 10**6))
def test_rows_adjoin(rate: Fraction, start: Fraction, row: int):
    grid = Grid(start, rate)
    assert grid.edge(0) == start
    assert grid.edge(row + 1) - grid.edge(row) == 1 / rate
    assert grid.row_at(grid.edge(row)) == row
    assert grid.row_at(grid.edge(row) - Fraction(1, 10**12)) == row - 1


@given(lengths, rates)
def test_every_row_that_covers_begins_before_the_end(duration: Fraction, rate: Fraction):
    rows = rows_covering(duration, rate)
    assert rows >= 1
    assert Fraction(rows - 1) / rate < duration <= Fraction(rows) / rate


@given(rates, starts, lengths, lengths, st.integers(0, 500))
def test_rows_between_are_those_that_overlap(
    rate: Fraction, start: Fraction, begin: Fraction, length: Fraction, rows: int
):
    grid = Grid(start, rate)
    asked = start + begin - 1, start + begin - 1 + length
    found = grid.rows_between(*asked, rows)
    expected = [row for row in range(rows) if grid.edge(row) < asked[1] and grid.edge(row + 1) > asked[0]]
    assert list(range(rows))[found] == expected


def test_a_grid_goes_forward():
    with pytest.raises(ValueError, match="positive"):
        Grid(Fraction(0), Fraction(0))


def test_overlap_weights_by_hand():
    # Rows of 1 s from 0; cells of 1.5 s from 0.5: [0.5, 2) holds half of row 0 and row 1.
    weights = overlap_weights(Grid(Fraction(0), Fraction(1)), 4, (Fraction(1, 2), Fraction(7, 2)), 2)
    np.testing.assert_allclose(weights, [[1 / 3, 2 / 3, 0, 0], [0, 0, 2 / 3, 1 / 3]], atol=1e-12)


def test_outside_the_source_the_nearest_row_is_held():
    grid = Grid(Fraction(0), Fraction(1))
    np.testing.assert_array_equal(overlap_weights(grid, 2, (Fraction(-4), Fraction(-2)), 2), [[1, 0], [1, 0]])
    np.testing.assert_array_equal(overlap_weights(grid, 2, (Fraction(5), Fraction(6)), 1), [[0, 1]])
    np.testing.assert_allclose(overlap_weights(grid, 2, (Fraction(-1), Fraction(3)), 1), [[0.5, 0.5]])


@given(rates, starts, st.integers(1, 60), starts, lengths, st.integers(1, 40))
def test_weights_of_a_cell_sum_to_one(
    rate: Fraction, start: Fraction, rows: int, begin: Fraction, length: Fraction, width: int
):
    weights = overlap_weights(Grid(start, rate), rows, (begin, begin + length), width)
    assert weights.shape == (width, rows)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-9)


@given(st.integers(1, 40), st.integers(1, 30))
def test_cells_over_the_whole_source_keep_its_mean(rows: int, width: int):
    grid = Grid(Fraction(1, 3), Fraction(22050, 512))
    values = np.random.default_rng(rows).normal(size=(rows, 3))
    cells = resample(values, grid, (grid.start, grid.edge(rows)), width)
    np.testing.assert_allclose(cells.mean(axis=0), values.mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("span", [(-1, 4), (-3, -2), (9, 12), (1, 1.001), (0, 700)])
@pytest.mark.parametrize("width", [1, 7, 2500])
def test_resampling_in_blocks_is_the_weights(span: tuple[float, float], width: int):
    grid = Grid(Fraction(1, 7), Fraction(22050, 512))
    values = np.random.default_rng(0).normal(size=(130, 2))
    exact = Fraction(span[0]), Fraction(span[1])
    np.testing.assert_allclose(
        resample(values, grid, exact, width), overlap_weights(grid, 130, exact, width) @ values, atol=1e-9
    )


@given(starts)
def test_shifting_source_and_span_together_changes_nothing(shift: Fraction):
    grid, span = Grid(Fraction(0), Fraction(100)), (Fraction(1, 24), Fraction(5, 24))
    moved = Grid(shift, Fraction(100))
    np.testing.assert_array_equal(
        overlap_weights(moved, 30, (span[0] + shift, span[1] + shift), 4), overlap_weights(grid, 30, span, 4)
    )


@pytest.mark.parametrize(("rows", "span", "width"), [(0, (0, 1), 1), (3, (1, 1), 1), (3, (0, 1), 0)])
def test_nothing_cannot_be_resampled(rows: int, span: tuple[int, int], width: int):
    exact = Fraction(span[0]), Fraction(span[1])
    with pytest.raises(ValueError, match="cannot resample"):
        overlap_weights(Grid(Fraction(0), Fraction(1)), rows, exact, width)
    with pytest.raises(ValueError, match="cannot resample"):
        resample(np.zeros((rows, 2)), Grid(Fraction(0), Fraction(1)), exact, width)
