"""Align features to the time axes of others."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import affectstore
from affectstore.errors import AbsentError, StoreError
from affectstore.store.client import Store
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec
from affectstore.timeline import (
    Grid,
    grid_spans_ns,
    nearest_rows,
    overlap_weights,
    rows_inside,
    rows_touched,
    time_spans_ns,
)

WriteShard = Callable[..., Ledger]
TEXT = np.dtypes.StringDType()

rates = st.fractions(min_value=Fraction(1, 2), max_value=500, max_denominator=1001)
starts = st.fractions(min_value=-1, max_value=2, max_denominator=44100)
counts = st.integers(1, 60)


@given(rates, starts, counts)
def test_spans_of_a_grid_are_its_edges(rate: Fraction, start: Fraction, rows: int):
    grid = Grid(start, rate)
    spans = grid_spans_ns(grid, rows)
    assert spans.shape == (rows, 2)
    assert (spans[1:, 0] == spans[:-1, 1]).all()
    exact = [float(grid.edge(row) * 10**9) for row in range(rows + 1)]
    np.testing.assert_allclose(np.append(spans[:, 0], spans[-1, 1]), exact, atol=0.51)


def test_rows_with_times_end_where_the_next_begins_or_where_they_say():
    assert time_spans_ns(np.array([0.0, 0.5, 0.6])).tolist() == [
        [0, 500_000_000],
        [500_000_000, 600_000_000],
        [600_000_000, 700_000_000],
    ]
    assert time_spans_ns(np.array([0.25])).tolist() == [[250_000_000, 250_000_000]]
    assert time_spans_ns(np.array([0.0, 0.5]), np.array([0.4, 0.9]))[:, 1].tolist() == [400_000_000, 900_000_000]
    with pytest.raises(ValueError, match="1 of 2 rows are not known"):
        time_spans_ns(np.array([0.0, np.nan]), np.array([0.1, 0.2]))


@given(rates, starts, counts, rates, starts, counts)
def test_nearest_is_nearest(a_rate, a_start, a_rows, b_rate, b_start, b_rows):
    source, target = grid_spans_ns(Grid(a_start, a_rate), a_rows), grid_spans_ns(Grid(b_start, b_rate), b_rows)
    found = nearest_rows(source, target)
    middles = target.sum(axis=1) // 2
    away = np.maximum(np.maximum(source[:, 0] - middles[:, None], middles[:, None] - source[:, 1]), 0)
    assert (away[np.arange(b_rows), found] == away.min(axis=1)).all()
    assert (np.diff(found) >= 0).all()


def test_nearest_between_words():
    words = time_spans_ns(np.array([0.1, 1.0]), np.array([0.3, 1.2]))
    frames = time_spans_ns(np.array([0.0, 0.2, 0.64, 0.65, 0.66, 2.0]), np.array([0.0, 0.2, 0.64, 0.65, 0.66, 2.0]))
    assert nearest_rows(words, frames).tolist() == [0, 0, 0, 0, 1, 1]


@given(rates, starts, counts, rates, starts, counts)
def test_overlap_weights_agree_with_the_resampler(a_rate, a_start, a_rows, b_rate, b_start, b_rows):
    source, target = Grid(a_start, a_rate), Grid(b_start, b_rate)
    rows, weights = rows_touched(grid_spans_ns(source, a_rows), grid_spans_ns(target, b_rows))
    dense = np.zeros((b_rows, a_rows))
    for row, ((first, last), part) in enumerate(zip(rows, weights, strict=True)):
        assert part.sum() == pytest.approx(1)
        dense[row, first:last] = part
    expected = overlap_weights(source, a_rows, (target.start, target.edge(b_rows)), b_rows)
    covered = [k for k in range(b_rows) if target.edge(k) >= source.start and target.edge(k + 1) <= source.edge(a_rows)]
    # Spans are exact to a nanosecond, and the shortest row here lasts two milliseconds.
    np.testing.assert_allclose(dense[covered], expected[covered], atol=2e-6)


@given(rates, starts, counts, rates, starts, counts)
def test_rows_inside_have_their_middles_there(a_rate, a_start, a_rows, b_rate, b_start, b_rows):
    source, target = grid_spans_ns(Grid(a_start, a_rate), a_rows), grid_spans_ns(Grid(b_start, b_rate), b_rows)
    middles = source.sum(axis=1) // 2
    for (first, last), (begin, end), nearest in zip(
        rows_inside(source, target), target, nearest_rows(source, target), strict=True
    ):
        inside = np.flatnonzero((middles >= begin) & (middles < end)).tolist() or [nearest]
        assert list(range(first, last)) == inside


LLD = (ArraySpec("values", "float32", ("frame", "feature"), (2,)),)
WORDS = (
    ArraySpec("values", "str", ("word",), codec="utf8"),
    ArraySpec("times", "float64", ("word",), unit="s", allow_nan=True),
    ArraySpec("ends", "float64", ("word",), unit="s", allow_nan=True),
)
FRAMES = (ArraySpec("values", "uint8", ("frame", "height", "width"), (8, 8)),)


def spoken(words: list[str], times: list[float], ends: list[float]) -> ClipArrays:
    return ClipArrays({"values": np.array(words, TEXT), "times": np.array(times), "ends": np.array(ends)})


@pytest.fixture
def store(tmp_path: Path, write_shard: WriteShard) -> Store:
    """Store of ten LLD rows of 0.1 s that count up, five frames of 0.25 s that begin and end later, three words."""
    lld = ClipArrays(
        {"values": np.stack([np.arange(10), -np.arange(10)], 1).astype("f4")}, Grid(Fraction(0), Fraction(10))
    )
    frames = ClipArrays(
        {"values": np.arange(5, dtype="u1")[:, None, None] + np.zeros((5, 8, 8), "u1")},
        Grid(Fraction(1, 20), Fraction(4)),
    )
    words = spoken(["one", "two", "three"], [0.1, 0.3, 0.55], [0.3, 0.34, 0.9])
    unknown = spoken(["one"], [float("nan")], [float("nan")])
    for name, specs, clips in (
        ("lld", LLD, {"a": lld, "only": lld}),
        ("frames", FRAMES, {"a": frames}),
        ("words", WORDS, {"a": words, "only": unknown}),
    ):
        write_shard(tmp_path / "c" / name, "0", clips, specs=specs)
        commit(tmp_path / "c" / name, ["0"], {})
    return affectstore.open(tmp_path / "c")


def test_words_frames_and_llds_of_one_clip(store: Store):
    pooled = store.align("lld", to="words", by="mean")
    assert pooled.clip_ids == ("a", "only")
    # word 1 holds the middles .15 and .25; word 2 holds none, so its nearest row; word 3 holds .55 to .85
    assert pooled["a"][:, 0].tolist() == [1.5, 3.0, 6.5]
    weighted = store.align("lld", to="words", by="overlap")["a"][:, 1]
    np.testing.assert_allclose(weighted, [-1.5, -3.0, -(5 * 0.05 + 0.1 * (6 + 7 + 8)) / 0.35], rtol=1e-6)
    # frames have their middles at .175, .425, .675, .925, 1.175 s
    assert store.align("lld", to="frames")["a"][:, 0].tolist() == [1, 4, 6, 9, 9]
    assert store.align("words", to="frames")["a"].tolist() == ["one", "two", "three", "three", "three"]
    assert store.align("frames", to="words")["a"][:, 0, 0].tolist() == [0, 1, 2]
    assert store.align("lld", to="lld", by="overlap")["a"].tolist() == store["lld"]["a"].tolist()
    values, mask = store.align("lld", to="frames").batch(["a"])
    assert values.shape == (1, 5, 2)
    assert mask.all()


def test_what_cannot_be_aligned_says_why(store: Store):
    with pytest.raises(StoreError, match="times of 1 of 1 rows are not known"):
        store.align("lld", to="words")["only"]
    with pytest.raises(AbsentError):
        store.align("frames", to="lld")["only"]
    with pytest.raises(StoreError, match="has no mean: align it by nearest"):
        store.align("words", to="lld", by="mean")
    with pytest.raises(StoreError, match="known are nearest, mean, overlap"):
        store.align("lld", to="frames", by="linear")  # type: ignore[arg-type]
    assert "only" not in store.align("frames", to="lld")


def test_a_timetable_puts_all_rows_on_one_axis(store: Store):
    table = store.timetable("a")
    assert table.groupby("feature").size().to_dict() == {"frames": 5, "lld": 10, "words": 3}
    assert table["start_s"].is_monotonic_increasing
    row = table[(table["feature"] == "words") & (table["row"] == 1)].iloc[0]
    assert (row["start_s"], row["end_s"]) == (0.3, 0.34)
    assert set(store.timetable("only")["feature"]) == {"lld"}
    with pytest.raises(StoreError, match="not known"):
        store.timetable("only", ["words"])


def test_words_are_found_by_time(store: Store):
    assert store["words"].at("a", 0.32, 0.6).tolist() == ["two", "three"]
    assert store["words"].at("a", 0.4, 0.5).tolist() == []
    with pytest.raises(StoreError, match="not known"):
        store["words"].at("only", 0, 1)


def test_statistics_are_those_of_all_rows(tmp_path: Path, write_shard: WriteShard):
    generator = np.random.default_rng(0)
    clips = {
        f"{k}": ClipArrays(
            {"values": generator.normal(1e4, [1, 0], (rows, 2)).astype("f4")}, Grid(Fraction(0), Fraction(100))
        )
        for k, rows in enumerate([3, 50, 1, 200])
    }
    write_shard(tmp_path / "c" / "lld", "0", clips, specs=LLD)
    commit(tmp_path / "c" / "lld", ["0"], {})
    feature = affectstore.open(tmp_path / "c")["lld"]
    found = feature.statistics(["0", "1", "3"])
    rows = np.concatenate([clips[k].arrays["values"] for k in ("0", "1", "3")]).astype(np.float64)
    assert found.rows == 253
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, rows.std(axis=0), rtol=1e-9)
    normal = found.normalise(rows)
    np.testing.assert_allclose(normal.std(axis=0), [1, 0], atol=1e-6)
    assert (normal[:, 1] == 0).all()
    with pytest.raises(StoreError, match="the selection is empty"):
        feature.statistics([])
