from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import odd_media
from support.drawn_face import face_picture, lossless_video
from support.extraction import extract

from affectstore.errors import ClipError
from affectstore.features.base import EXTRACTORS, build
from affectstore.features.video import _pictures as walked
from affectstore.features.video import _track
from affectstore.features.video._crop import TEMPLATE, aligned
from affectstore.features.video._mtcnn import Face
from affectstore.media.decode_video import Picture

REAL = sorted((Path(os.environ.get("AFFECTSTORE_DATA", "nowhere")) / "crema-d/VideoFlash").glob("*.flv"))[7::30]
EMPTY = np.full((240, 320, 3), (96, 128, 112), dtype=np.uint8)


def face(x: float, y: float = 0, size: float = 10, probability: float = 0.99) -> Face:
    box = np.array([x, y, x + size, y + size], dtype=np.float32)
    return Face(box, np.tile(box[:2], (5, 1)) + size / 2, probability)


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union, row by row."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    return shared / ((one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1) - shared)


def middles(box: np.ndarray) -> np.ndarray:
    return (box[:, 0] + box[:, 2]) / 2


# --- the track, by hand -----------------------------------------------------------------------------------


def test_overlap():
    assert _track.overlap(face(0).box, face(0).box) == 1
    assert _track.overlap(face(0).box, face(5).box) == pytest.approx(50 / 150)
    assert _track.overlap(face(0).box, face(0, 2, 5).box) == pytest.approx(25 / 100)
    assert _track.overlap(face(0).box, face(10).box) == _track.overlap(face(0).box, face(0, 11).box) == 0


def test_each_picture_alone():
    seen = {0: (face(0, size=12), face(50, probability=0.995)), 3: (), 6: (face(60, size=11),)}
    assert {k: one.box[0] for k, one in _track.chosen(seen, "largest").items()} == {0: 0, 6: 60}
    assert {k: one.box[0] for k, one in _track.chosen(seen, "probability").items()} == {0: 50, 6: 60}


def test_the_tracked_face_is_the_one_that_was_largest():
    ours = [face(2 * k, size=20) for k in range(5)]
    # A stranger beside it, who is nearer to the camera at both ends, though never as near as ours in the middle.
    ours[2] = face(3, size=24)
    strangers = [face(60 - 2 * k, size=22) for k in range(5)]
    seen = {5 * k: (strangers[k], ours[k]) for k in range(5)}
    seen[10] = (ours[2], strangers[2])
    assert _track.chosen(seen, "tracked") == {5 * k: ours[k] for k in range(5)}
    assert _track.chosen(seen, "largest")[0] is strangers[0]
    assert _track.chosen({0: (), 1: ()}, "tracked") == {}


def test_a_lost_face_is_not_the_one_beside_it():
    stranger = face(60)
    seen = {0: (face(0, size=20), stranger), 1: (stranger,), 2: (face(62),), 3: (stranger, face(2, size=9))}
    assert sorted(_track.chosen(seen, "tracked")) == [0, 3]
    assert _track.chosen(seen, "tracked")[3].box[0] == 2


def test_a_face_that_jumps_is_taken_up_again():
    seen = {0: (face(0, size=20), face(60)), 1: (face(61), face(100)), 2: (face(101), face(61))}
    assert [one.box[0] for one in _track.chosen(seen, "tracked").values()] == [0, 100, 101]


def test_where_a_track_breaks():
    track = {0: face(0), 5: face(0.5), 10: face(9), 15: face(9), 25: face(9, probability=0.8), 30: face(9)}
    seen = [*track, 20]
    assert _track.breaks(track, seen, 0.8, 0.0) == {7, 17, 22}
    assert _track.breaks(track, seen, 0.0, 0.9) == {17, 22, 27}
    assert _track.breaks({}, [0, 2], 0, 0) == {1}
    assert _track.breaks({0: face(0), 1: face(50)}, [0, 1], 1, 1) == frozenset()
    assert _track.breaks({0: face(0)}, [0], 1, 1) == frozenset()


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 12), st.integers(1, 60), st.integers(0, 60), st.integers(0, 60))
def test_breaks_are_closed_in_upon(every: int, pictures: int, gone: int, length: int):
    """A face that is away for some pictures: each of them between two without it, and both edges, are looked at."""
    away = range(gone, gone + length)
    seen = {k: () if k in away else (face(0),) for k in range(pictures) if k % every == 0 or k == pictures - 1}
    while again := _track.breaks(_track.chosen(seen, "largest"), seen, 0.8, 0.9):
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
    path = _track.path(track, times_s, 0)
    # 0.6 s is nearer to 0.5 s than to 1.0 s.
    np.testing.assert_allclose([one.box[0] for one in path], [0, 0, 1, 4, 4, 50, 50, 50], atol=1e-6)
    np.testing.assert_allclose([one.landmarks[2, 0] - one.box[0] for one in path], 5, atol=1e-5)
    assert [one.probability for one in path] == [0, 0.99, 0, 0.99, 0, 0.99, 0.99, 0]


def test_smoothing_does_not_reach_across_a_cut():
    track = {k: face((0 if k < 3 else 50) + (k % 2)) for k in range(6)}
    path = _track.path(track, [k / 10 for k in range(6)], 1.0)
    parts = [
        _track.path({k: track[k] for k in part}, [k / 10 for k in range(6)], 1.0) for part in (range(3), range(3, 6))
    ]
    for k in range(6):
        np.testing.assert_array_equal(path[k].box, parts[k // 3][k].box)


def test_the_filter_on_even_steps():
    # Weights e^-2, 1, e^-2: the line through three even points passes at their weighted mean.
    values, w = np.array([[0.0], [0], [1], [0], [0]]), np.exp(-2)
    lines = _track.smoothed(values, np.arange(5) * 0.2, 0.5)[:, 0]
    np.testing.assert_allclose(lines[1:4], np.array([w, 1, w]) / (1 + 2 * w))
    assert lines[0] == lines[4] == 0  # at an end a line passes through both of its points
    np.testing.assert_array_equal(_track.smoothed(values, np.arange(5.0), 0), values)
    np.testing.assert_array_equal(_track.smoothed(values[:2], np.arange(2.0), 3), values[:2])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(1, 50), min_size=3, max_size=12),
    st.floats(0.4, 5),
    st.integers(0, 2**32 - 1),
)
def test_the_filter_keeps_lines_and_has_no_direction(steps: list[int], sd: float, seed: int):
    times_s = np.cumsum(steps) / 25
    line = np.stack([3 - 2 * times_s, 100 + 40 * times_s], axis=1)
    np.testing.assert_allclose(_track.smoothed(line, times_s, sd), line, rtol=1e-9, atol=1e-7)
    noise = np.random.default_rng(seed).normal(size=line.shape)
    forth = _track.smoothed(noise, times_s, sd)
    back = _track.smoothed(noise[::-1], (times_s[-1] - times_s)[::-1], sd)[::-1]
    np.testing.assert_allclose(forth, back, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(_track.smoothed(noise + line, times_s, sd), forth + line, rtol=1e-6, atol=1e-6)


# --- walks ------------------------------------------------------------------------------------------------


class _Frame:
    """Stands for a decoded frame of a known size."""

    alive = most = 0

    def __init__(self) -> None:
        self.planes = [SimpleNamespace(buffer_size=100)]
        _Frame.alive += 1
        _Frame.most = max(_Frame.most, _Frame.alive)

    def __del__(self) -> None:
        _Frame.alive -= 1


@pytest.mark.parametrize(("kept_bytes", "walks", "most"), [(1000, 1, 10), (999, 3, 13)])
def test_pictures_are_kept_while_they_are_few(monkeypatch: pytest.MonkeyPatch, kept_bytes: int, walks: int, most: int):
    begun = []

    def walk() -> Iterator[tuple[Picture, int]]:
        begun.append(True)
        for k in range(10 if kept_bytes == 1000 else 50):
            yield Picture(_Frame(), Fraction(k, 10), Fraction(k + 1, 10)), 1

    monkeypatch.setattr(walked, "KEPT_BYTES", kept_bytes)
    _Frame.most = _Frame.alive
    shown = walked.Pictures(walk)
    lengths = [sum(1 for _ in shown) for _ in range(3)]
    assert lengths == [len(shown.starts)] * 3
    assert shown.starts[:2] == [0, Fraction(1, 10)]
    assert len(begun) == walks
    assert _Frame.most <= most


def test_what_is_decoded_again_gives_the_same(jumping: Path, monkeypatch: pytest.MonkeyPatch):
    options = {"at": "all", "detect_every": 4, "size_px": 32}
    kept = extract("faces", jumping, options)
    monkeypatch.setattr(walked, "KEPT_BYTES", 0)
    again = extract("faces", jumping, options)
    for name, array in kept.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


# --- videos -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drifting(folder: Path) -> Path:
    """A face that moves by half a pixel a picture, 24 pictures."""
    pictures = np.stack([face_picture(centre=(0.45 + 0.0016 * k, 0.5), head_px=100) for k in range(24)])
    return lossless_video(folder / "drifting.avi", pictures)


@pytest.fixture(scope="module")
def jumping(folder: Path) -> Path:
    """A face that jumps to the right between the pictures 9 and 10, of 20."""
    pictures = np.stack([face_picture(centre=(0.3 if k < 10 else 0.7, 0.5), head_px=100) for k in range(20)])
    return lossless_video(folder / "jumping.avi", pictures)


@pytest.fixture(scope="module")
def couple(folder: Path) -> Path:
    """A small face on the left, a large one on the right: 641 x 240 px, 4 pictures."""
    picture = np.concatenate([face_picture(head_px=80), face_picture(width=321, head_px=110)], axis=1)
    return lossless_video(folder / "couple.avi", np.stack([picture] * 4))


def decoded_times(path: Path) -> list[float]:
    import av

    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def test_every_picture_with_its_own_time(drifting: Path, folder: Path):
    path = folder / "uneven.mkv"
    uneven = ffmpeg.input(str(drifting)).filter("select", "lt(n,9)+not(mod(n,5))")
    odd_media.run(ffmpeg.output(uneven, str(path), vcodec="ffv1", fps_mode="passthrough"))
    for video in (drifting, path):
        arrays = extract("faces", video, {"at": "all", "size_px": 16, "detect_every": 5})
        times = decoded_times(video)
        assert arrays.grid is None
        assert arrays.arrays["times"].tolist() == times
        assert arrays.rows == len(times)
    assert len(times) == 12


def test_every_fifth_picture_gives_the_boxes_of_all(drifting: Path):
    each = extract("faces", drifting, {"at": "all", "size_px": 16}).arrays
    fifth = extract("faces", drifting, {"at": "all", "size_px": 16, "detect_every": 5}).arrays
    assert (each["probability"] > 0.9).all()
    assert np.flatnonzero(fifth["probability"]).tolist() == [0, 5, 10, 15, 20, 23]
    assert overlaps(each["box"], fifth["box"]).min() > 0.9
    assert np.abs(each["landmarks"] - fifth["landmarks"]).max() < 4


def test_smoothing_is_an_option(drifting: Path):
    def boxes(**options) -> np.ndarray:
        return extract("faces", drifting, {"at": "all", "size_px": 16, **options}).arrays["box"]

    detected = boxes()
    np.testing.assert_array_equal(detected, boxes(smooth=0))
    assert np.abs(np.diff(boxes(smooth=2), n=2, axis=0)).sum() < 0.5 * np.abs(np.diff(detected, n=2, axis=0)).sum()
    plain = boxes(detect_every=5, smooth=0)
    np.testing.assert_allclose(plain[::5], detected[::5], atol=0.01)
    np.testing.assert_allclose(plain[7], 0.6 * plain[5] + 0.4 * plain[10], atol=1e-3)
    assert not np.array_equal(plain, boxes(detect_every=5))


def test_a_jump_is_closed_in_upon(jumping: Path):
    arrays = extract("faces", jumping, {"at": "all", "size_px": 16, "detect_every": 4}).arrays
    # Between 8 and 12 first 10 is looked at, then 9; from 10 on it is one face again.
    assert np.flatnonzero(arrays["probability"]).tolist() == [0, 4, 8, 9, 10, 12, 16, 19]
    assert np.abs(middles(arrays["box"]) - np.where(np.arange(20) < 10, 0.3, 0.7) * 320).max() < 6
    alone = extract("faces", jumping, {"at": "all", "size_px": 16}).arrays
    assert overlaps(arrays["box"], alone["box"]).min() > 0.9


def test_a_face_that_leaves_for_a_while(folder: Path):
    shown = [face_picture(centre=(0.4, 0.5)) if not 6 <= k < 15 else EMPTY for k in range(20)]
    path = lossless_video(folder / "leaving.avi", np.stack(shown))
    arrays = extract("faces", path, {"at": "all", "size_px": 16, "detect_every": 5}).arrays
    # 10 shows none, so all around it are looked at; 16 to 18 lie between two good ones.
    assert np.flatnonzero(arrays["probability"]).tolist() == [0, 5, 15, 19]
    assert np.abs(middles(arrays["box"]) - 0.4 * 320).max() < 6


def test_a_face_that_is_there_between_looks_only(folder: Path):
    shown = [face_picture() if k in (2, 3) else EMPTY for k in range(9)]
    path = lossless_video(folder / "short.avi", np.stack(shown))
    arrays = extract("faces", path, {"at": "all", "size_px": 16, "detect_every": 8}).arrays
    assert np.flatnonzero(arrays["probability"]).tolist() == [2, 3]


def test_only_the_given_half_is_searched(couple: Path):
    def middle(face_side: str | None, **options) -> float:
        arrays = extract("faces", couple, options, face_side=face_side).arrays
        values, box = arrays["values"][0], arrays["box"][0].round().astype(int)
        assert values.std() > 10
        assert (arrays["landmarks"][0, :, 0] > box[0]).all()
        assert (arrays["landmarks"][0, :, 0] < box[2]).all()
        return float(middles(arrays["box"])[0])

    assert middle(None) == middle("left", side="whole") == pytest.approx(480.5, abs=6)
    assert middle("right") == pytest.approx(480.5, abs=6)
    assert middle("left") == pytest.approx(160, abs=6)
    every = extract("faces", couple, {"at": "all", "size_px": 16}, face_side="left")
    assert np.abs(middles(every.arrays["box"]) - 160).max() < 6


def test_a_half_without_a_face(folder: Path):
    path = lossless_video(folder / "alone.avi", np.concatenate([EMPTY, face_picture()], axis=1)[None])
    assert extract("faces", path, face_side="right").rows == 1
    with pytest.raises(ClipError, match=r"no face found in the picture at 0\.000 s \(left half of 640 x 240 px;"):
        extract("faces", path, face_side="left")


def test_the_side_enters_the_key_only_where_it_counts():
    module = EXTRACTORS.load("faces")
    assert module.Options().narrowed(module.SPEC).fields == ("face_side",)
    assert module.Options(side="whole").narrowed(module.SPEC).fields == ()


def test_the_tracked_face_stays_while_another_comes_nearer(folder: Path):
    sizes = [(100, 70 + 10 * k) for k in range(4)]  # at last the stranger is the larger one: 100
    shown = [
        np.concatenate(
            [face_picture(head_px=ours + (15 if k == 0 else 0)), face_picture(head_px=other + (10 if k else 0))], axis=1
        )
        for k, (ours, other) in enumerate(sizes)
    ]
    path = lossless_video(folder / "nearer.avi", np.stack(shown))
    largest = extract("faces", path, {"at": "all", "size_px": 16}).arrays["box"]
    tracked = extract("faces", path, {"at": "all", "size_px": 16, "select": "tracked"}).arrays["box"]
    assert middles(largest)[0] < 320 < middles(largest)[3]
    assert (middles(tracked) < 320).all()


@settings(deadline=None, max_examples=6)
@given(st.integers(0, 600), st.integers(90, 900), st.sampled_from(["all", 7, 50]))
def test_times_lie_within_the_picture(drifting: Path, begin_ms: int, length_ms: int, at: str | int):
    end_ms = min(begin_ms + length_ms, 960)
    segment = Fraction(begin_ms, 1000), Fraction(end_ms, 1000)
    options = {"at": at, "size_px": 16, "detect_every": 6}
    times = extract("faces", drifting, options, segment=segment).arrays["times"]
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert times[-1] < (end_ms - begin_ms) / 1000


# --- cuts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin_px", [0, 24])
@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (35, 0.8), (-120, 1.5), (10, 5.0)])
def test_aligned_landmarks_lie_on_the_template(margin_px: int, degrees: float, scale: float):
    size = 96
    expected = TEMPLATE * (size - margin_px) + margin_px / 2
    turn = scale * np.exp(1j * np.radians(degrees))
    placed = (expected @ [1, 1j] - size / 2 * (1 + 1j)) * turn + 400 + 420j
    landmarks = np.stack([placed.real, placed.imag], axis=1)
    y, x = np.mgrid[:800, :800] + 0.5
    picture = np.full((800, 800, 3), 20, dtype=np.uint8)
    for number, (left, top) in enumerate(landmarks):
        picture[np.hypot(x - left, y - top) < 4 * scale] = 100 + 30 * number
    given = aligned(picture, landmarks, size, margin_px)
    assert given.shape == (size, size, 3)
    y, x = np.mgrid[:size, :size] + 0.5
    for number, (left, top) in enumerate(expected):
        near = np.where(np.hypot(x - left, y - top) < 8, given[..., 0].astype(float) - 20, 0)
        assert near.max() == pytest.approx(80 + 30 * number, abs=3)
        np.testing.assert_allclose(
            [(near * x).sum() / near.sum(), (near * y).sum() / near.sum()], [left, top], atol=0.3
        )


def test_landmarks_in_one_place_still_give_a_picture():
    given = aligned(np.full((20, 30, 3), 77, np.uint8), np.full((5, 2), 9.0), 16, 0)
    assert (given == 77).all()


def test_faces_aligned_by_their_landmarks(drifting: Path):
    given = extract("faces", drifting, {"align": "landmarks", "margin_px": 80}).arrays
    plain = extract("faces", drifting, {"margin_px": 80}).arrays
    np.testing.assert_array_equal(given["box"], plain["box"])
    from facenet_pytorch import MTCNN

    _, _, landmarks = MTCNN().detect(given["values"][0], landmarks=True)
    # A drawn face has not the proportions of the people of whom the template was taken.
    assert np.abs(landmarks[0] - (TEMPLATE * 144 + 40)).max() < 12
    eyes = landmarks[0][1] - landmarks[0][0]
    assert abs(eyes[1]) < 0.1 * eyes[0]


def test_colours(drifting: Path):
    rgb, bgr, grey = (
        extract("faces", drifting, {"size_px": 40, "colour": colour}).arrays["values"]
        for colour in ("rgb", "bgr", "grey")
    )
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])
    assert grey.shape == (1, 40, 40)
    assert np.abs(rgb @ np.array([0.299, 0.587, 0.114]) - grey).max() <= 1
    assert build("faces", {"colour": "grey"}).arrays()[0].dims == ("frame", "height", "width")


# --- real clips -------------------------------------------------------------------------------------------


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="AFFECTSTORE_DATA names no folder with crema-d")
def test_tracks_of_real_faces_are_those_of_every_picture():
    """At k = 5 at least 95 % of the boxes overlap MTCNN's own, picture by picture, by .9."""
    given = []
    for path in REAL:
        each = extract("faces", path, {"at": "all", "size_px": 16}).arrays
        fifth = extract("faces", path, {"at": "all", "size_px": 16, "detect_every": 5})
        assert fifth.arrays["times"].tolist() == decoded_times(path)
        assert (each["probability"] > 0).all()
        given.append((overlaps(each["box"], fifth.arrays["box"]), fifth.arrays["probability"] > 0))
    overlap, looked = (np.concatenate(parts) for parts in zip(*given, strict=True))
    print(f"{len(REAL)} clips, {len(overlap)} pictures: {(overlap >= 0.9).mean():.2%} overlap by .9 or more, ", end="")
    print(f"mean {overlap.mean():.3f}, least {overlap.min():.3f}; looked at {looked.mean():.1%}")
    assert (overlap >= 0.9).mean() >= 0.95
    assert looked.mean() < 0.3
