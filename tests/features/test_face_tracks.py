"""Tracks of faces in videos: times, sparse detection, the speaker's half, crops."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

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
from affectstore.features.video import _video_frames as walked
from affectstore.features.video._crop import TEMPLATE

REAL = sorted((Path(os.environ.get("AFFECTSTORE_DATA", "nowhere")) / "crema-d/VideoFlash").glob("*.flv"))[7::30]
EMPTY = np.full((240, 320, 3), (96, 128, 112), dtype=np.uint8)


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute the intersection over union, row by row."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    return shared / ((one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1) - shared)


def middles(box: np.ndarray) -> np.ndarray:
    return (box[:, 0] + box[:, 2]) / 2


def test_what_is_decoded_again_gives_the_same(jumping: Path, monkeypatch: pytest.MonkeyPatch):
    options = {"at": "all", "detect_every": 4, "size_px": 32}
    kept = extract("faces", jumping, options)
    monkeypatch.setattr(walked, "KEPT_BYTES", 0)
    again = extract("faces", jumping, options)
    for name, array in kept.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


@pytest.fixture(scope="module")
def drifting(folder: Path) -> Path:
    """Write 24 frames of a face that moves by half a pixel per frame."""
    pictures = np.stack([face_picture(centre=(0.45 + 0.0016 * k, 0.5), head_px=100) for k in range(24)])
    return lossless_video(folder / "drifting.avi", pictures)


@pytest.fixture(scope="module")
def jumping(folder: Path) -> Path:
    """Write 20 frames of a face that jumps to the right between frames 9 and 10."""
    pictures = np.stack([face_picture(centre=(0.3 if k < 10 else 0.7, 0.5), head_px=100) for k in range(20)])
    return lossless_video(folder / "jumping.avi", pictures)


@pytest.fixture(scope="module")
def couple(folder: Path) -> Path:
    """Write 4 frames of 641 x 240 px with a small face on the left and a large one on the right."""
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
    assert module.Options().spec_for(module.SPEC).columns == ("face_side",)
    assert module.Options(side="whole").spec_for(module.SPEC).columns == ()


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


def test_faces_aligned_by_their_landmarks(drifting: Path):
    given = extract("faces", drifting, {"align": "landmarks", "margin_px": 80}).arrays
    plain = extract("faces", drifting, {"margin_px": 80}).arrays
    np.testing.assert_array_equal(given["box"], plain["box"])
    from facenet_pytorch import MTCNN

    _, _, landmarks = MTCNN().detect(given["values"][0], landmarks=True)
    # A synthetic face has not the proportions of the people of whom the template was taken.
    assert np.abs(landmarks[0] - (TEMPLATE * 144 + 40)).max() < 12
    eyes = landmarks[0][1] - landmarks[0][0]
    assert abs(eyes[1]) < 0.1 * eyes[0]


def test_colours(drifting: Path):
    rgb, bgr, grey = (
        extract("faces", drifting, {"size_px": 40, "colour": colour}).arrays["values"]
        for colour in ("rgb", "bgr", "grayscale")
    )
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])
    assert grey.shape == (1, 40, 40)
    assert np.abs(rgb @ np.array([0.299, 0.587, 0.114]) - grey).max() <= 1
    assert build("faces", {"colour": "grayscale"}).arrays()[0].dims == ("frame", "height", "width")


@pytest.mark.realdata
@pytest.mark.skipif(not REAL, reason="AFFECTSTORE_DATA names no folder with crema-d")
def test_tracks_of_real_faces_are_those_of_every_picture():
    """Detect in every fifth frame: at least 95 % of the boxes overlap MTCNN's own, frame by frame, by .9."""
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
