"""Selection, breaks, interpolation and smoothing of a track of faces, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectstore.features.video import _track
from affectstore.features.video._mtcnn import Face


def face(x: float, y: float = 0, size: float = 10, probability: float = 0.99) -> Face:
    box = np.array([x, y, x + size, y + size], dtype=np.float32)
    return Face(box, np.tile(box[:2], (5, 1)) + size / 2, probability)


def test_overlap():
    assert _track.overlap(face(0).box, face(0).box) == 1
    assert _track.overlap(face(0).box, face(5).box) == pytest.approx(50 / 150)
    assert _track.overlap(face(0).box, face(0, 2, 5).box) == pytest.approx(25 / 100)
    assert _track.overlap(face(0).box, face(10).box) == _track.overlap(face(0).box, face(0, 11).box) == 0


def test_each_picture_alone():
    seen = {0: (face(0, size=12), face(50, probability=0.995)), 3: (), 6: (face(60, size=11),)}
    assert {k: one.box[0] for k, one in _track.select_faces(seen, "largest").items()} == {0: 0, 6: 60}
    assert {k: one.box[0] for k, one in _track.select_faces(seen, "probability").items()} == {0: 50, 6: 60}


def test_the_tracked_face_is_the_one_that_was_largest():
    ours = [face(2 * k, size=20) for k in range(5)]
    # A stranger beside it, who is nearer to the camera at both ends, though never as near as ours in the middle.
    ours[2] = face(3, size=24)
    strangers = [face(60 - 2 * k, size=22) for k in range(5)]
    seen = {5 * k: (strangers[k], ours[k]) for k in range(5)}
    seen[10] = (ours[2], strangers[2])
    assert _track.select_faces(seen, "tracked") == {5 * k: ours[k] for k in range(5)}
    assert _track.select_faces(seen, "largest")[0] is strangers[0]
    assert _track.select_faces({0: (), 1: ()}, "tracked") == {}


def test_a_lost_face_is_not_the_one_beside_it():
    stranger = face(60)
    seen = {0: (face(0, size=20), stranger), 1: (stranger,), 2: (face(62),), 3: (stranger, face(2, size=9))}
    assert sorted(_track.select_faces(seen, "tracked")) == [0, 3]
    assert _track.select_faces(seen, "tracked")[3].box[0] == 2


def test_a_face_that_jumps_is_taken_up_again():
    seen = {0: (face(0, size=20), face(60)), 1: (face(61), face(100)), 2: (face(101), face(61))}
    assert [one.box[0] for one in _track.select_faces(seen, "tracked").values()] == [0, 100, 101]


def test_where_a_track_breaks():
    track = {0: face(0), 5: face(0.5), 10: face(9), 15: face(9), 25: face(9, probability=0.8), 30: face(9)}
    seen = [*track, 20]
    assert _track.frames_to_search(track, seen, 0.8, 0.0) == {7, 17, 22}
    assert _track.frames_to_search(track, seen, 0.0, 0.9) == {17, 22, 27}
    assert _track.frames_to_search({}, [0, 2], 0, 0) == {1}
    assert _track.frames_to_search({0: face(0), 1: face(50)}, [0, 1], 1, 1) == frozenset()
    assert _track.frames_to_search({0: face(0)}, [0], 1, 1) == frozenset()


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 12), st.integers(1, 60), st.integers(0, 60), st.integers(0, 60))
def test_breaks_are_closed_in_upon(every: int, pictures: int, gone: int, length: int):
    """Search every frame without a face between two such frames, and both edges of the gap."""
    away = range(gone, gone + length)
    seen = {k: () if k in away else (face(0),) for k in range(pictures) if k % every == 0 or k == pictures - 1}
    while again := _track.frames_to_search(_track.select_faces(seen, "largest"), seen, 0.8, 0.9):
        assert not again & set(seen)
        seen |= {k: () if k in away else (face(0),) for k in again}
    met = [k for k in away if k in seen]
    if met:
        assert set(away) & set(range(pictures)) <= set(seen)
    for edge in (gone, gone + length):
        if met and 0 < edge < pictures:
            assert {edge - 1, edge} <= set(seen)


def test_a_path_is_straight_in_time_and_cut_where_faces_are_not_one():
    track = {1: face(0), 3: face(4), 5: face(50), 6: face(50)}
    times_s = [0.0, 0.1, 0.2, 0.5, 0.6, 1.0, 1.1, 1.5]
    path = _track.interpolate(track, times_s, 0)
    # 0.6 s is nearer to 0.5 s than to 1.0 s.
    np.testing.assert_allclose([one.box[0] for one in path], [0, 0, 1, 4, 4, 50, 50, 50], atol=1e-6)
    np.testing.assert_allclose([one.landmarks[2, 0] - one.box[0] for one in path], 5, atol=1e-5)
    assert [one.probability for one in path] == [0, 0.99, 0, 0.99, 0, 0.99, 0.99, 0]


def test_smoothing_does_not_reach_across_a_cut():
    track = {k: face((0 if k < 3 else 50) + (k % 2)) for k in range(6)}
    path = _track.interpolate(track, [k / 10 for k in range(6)], 1.0)
    parts = [
        _track.interpolate({k: track[k] for k in part}, [k / 10 for k in range(6)], 1.0)
        for part in (range(3), range(3, 6))
    ]
    for k in range(6):
        np.testing.assert_array_equal(path[k].box, parts[k // 3][k].box)


def test_the_filter_on_even_steps():
    # Weights e^-2, 1, e^-2: the line through three even points passes at their weighted mean.
    values, w = np.array([[0.0], [0], [1], [0], [0]]), np.exp(-2)
    lines = _track.smooth(values, np.arange(5) * 0.2, 0.5)[:, 0]
    np.testing.assert_allclose(lines[1:4], np.array([w, 1, w]) / (1 + 2 * w))
    assert lines[0] == lines[4] == 0  # at an end a line passes through both of its points
    np.testing.assert_array_equal(_track.smooth(values, np.arange(5.0), 0), values)
    np.testing.assert_array_equal(_track.smooth(values[:2], np.arange(2.0), 3), values[:2])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(1, 50), min_size=3, max_size=12),
    st.floats(0.4, 5),
    st.integers(0, 2**32 - 1),
)
def test_the_filter_keeps_lines_and_has_no_direction(steps: list[int], sd: float, seed: int):
    times_s = np.cumsum(steps) / 25
    line = np.stack([3 - 2 * times_s, 100 + 40 * times_s], axis=1)
    np.testing.assert_allclose(_track.smooth(line, times_s, sd), line, rtol=1e-9, atol=1e-7)
    noise = np.random.default_rng(seed).normal(size=line.shape)
    forth = _track.smooth(noise, times_s, sd)
    back = _track.smooth(noise[::-1], (times_s[-1] - times_s)[::-1], sd)[::-1]
    np.testing.assert_allclose(forth, back, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(_track.smooth(noise + line, times_s, sd), forth + line, rtol=1e-6, atol=1e-6)
