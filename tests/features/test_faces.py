"""Faces against MTCNN and facenet-pytorch called directly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import odd_media
from support.drawn_face import face_picture, lossless_video
from support.extraction import extract

from affectstore.errors import ClipError
from affectstore.features.base import build
from affectstore.features.video import _mtcnn as mtcnn
from affectstore.features.video._crop import TEMPLATE, align_landmarks, crop_box


@pytest.fixture(scope="module")
def moving(folder: Path) -> Path:
    """Write a face that moves to the right by 3 % of the width per frame, without a face in the fifth."""
    pictures = np.stack([face_picture(centre=(0.35 + 0.03 * k, 0.45)) for k in range(10)])
    pictures[4] = (96, 128, 112)
    return lossless_video(folder / "moving.mkv", pictures)


def detected(picture: np.ndarray, **options) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, **options).detect(picture, landmarks=True)


def decoded(path: Path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_middle_face_is_what_mtcnn_finds(moving: Path):
    given = extract("faces", moving)
    picture = decoded(moving)[5]
    boxes, probabilities, landmarks = detected(picture)
    # 20/0.709^3 = 56.1 px is the automatic size for 240 px: the same box as with MTCNN's default 20 px.
    np.testing.assert_allclose(given.arrays["box"], boxes[:1].astype(float), atol=1e-3)
    np.testing.assert_allclose(given.arrays["landmarks"], landmarks[:1].astype(float), atol=1e-3)
    np.testing.assert_allclose(given.arrays["probability"], probabilities[:1].astype(float), atol=1e-5)
    assert given.arrays["times"].tolist() == [0.2]
    assert given.grid is None


@pytest.mark.parametrize("margin_px", [0, 20])
def test_the_crop_is_facenets(moving: Path, margin_px: int):
    from facenet_pytorch import extract_face
    from PIL import Image

    given = extract("faces", moving, {"margin_px": margin_px, "size_px": 160})
    picture = Image.fromarray(decoded(moving)[5])
    face = extract_face(picture, given.arrays["box"][0], image_size=160, margin=margin_px)
    np.testing.assert_array_equal(given.arrays["values"][0], face.permute(1, 2, 0).numpy())


def test_faces_at_a_rate(moving: Path):
    given = extract("faces", moving, {"at": 25})
    assert given.rows == 10
    assert (given.grid.start, given.grid.rate) == (0, 25)
    box, probability = given.arrays["box"], given.arrays["probability"]
    assert probability[4] == 0
    assert (np.delete(probability, 4) > 0.9).all()
    np.testing.assert_allclose(box[4], (box[3] + box[5]) / 2, atol=1e-3)
    centre = box[:, [0, 2]].mean(axis=1)
    assert np.abs(np.diff(centre) - 0.03 * 320).max() < 5
    alone = extract("faces", moving)
    np.testing.assert_allclose(box[5], alone.arrays["box"][0], atol=0.01)
    frames = extract("frames", moving, {"fps": 25, "size_px": 8})
    assert (frames.grid, frames.rows) == (given.grid, given.rows)


def test_detecting_in_every_third_picture(moving: Path):
    # The face moves by a quarter of its width in three pictures.
    options = {"at": 25, "detect_every": 3, "track_overlap": 0.5, "smooth": 0}
    every = extract("faces", moving, options)
    each = extract("faces", moving, {"at": 25})
    assert np.flatnonzero(every.arrays["probability"]).tolist() == [0, 3, 6, 9]
    np.testing.assert_allclose(every.arrays["box"][::3], each.arrays["box"][::3], atol=0.01)
    third = every.arrays["box"][0] + (every.arrays["box"][3] - every.arrays["box"][0]) / 3
    np.testing.assert_allclose(every.arrays["box"][1], third, atol=1e-3)


def test_rows_that_repeat_a_picture_repeat_its_face(moving: Path):
    given = extract("faces", moving, {"at": 50, "size_px": 32})
    assert given.rows == 20
    np.testing.assert_array_equal(given.arrays["values"][::2], given.arrays["values"][1::2])
    np.testing.assert_allclose(np.diff(given.arrays["times"]), 0.02)


def test_a_small_face_is_found_in_the_second_search(folder: Path):
    small = lossless_video(folder / "small.mkv", np.stack([face_picture(head_px=40)] * 3))
    assert extract("faces", small).arrays["probability"][0] > 0.9
    with pytest.raises(ClipError, match=r"no face found in the picture at 0\.040 s \(320 x 240 px; .* 100 px"):
        extract("faces", small, {"min_face_px": 100})


def test_the_largest_or_the_most_probable(folder: Path):
    picture = np.concatenate([face_picture(head_px=70), face_picture(head_px=110)], axis=1)
    path = lossless_video(folder / "two.mkv", picture[None])
    boxes, probabilities, _ = detected(decoded(path)[0])
    assert len(boxes) == 2
    largest = extract("faces", path).arrays
    assert largest["box"][0, 0] > 320
    probable = extract("faces", path, {"select": "probability"}).arrays
    assert probable["probability"][0] == pytest.approx(max(probabilities), abs=1e-4)


def test_no_face(folder: Path):
    with pytest.raises(ClipError, match=r"no face found in the picture at 1\.000 s"):
        extract("faces", odd_media.good_mp4(folder))
    with pytest.raises(ClipError, match="no face found in any of 2 pictures"):
        extract("faces", odd_media.good_mp4(folder), {"at": 1})


def test_a_picture_smaller_than_the_smallest_face(folder: Path):
    path = lossless_video(folder / "tiny.mkv", np.zeros((2, 16, 16, 3), dtype=np.uint8))
    with pytest.raises(ClipError, match="no face found"):
        extract("faces", path)


def test_a_segment_has_its_own_middle(moving: Path):
    given = extract("faces", moving, segment=(Fraction("0.04"), Fraction("0.12")))
    assert given.arrays["times"].tolist() == [0.04]  # the second of two pictures, counted from the clip's start


@pytest.mark.parametrize(("height", "width", "expected"), [(360, 480, 20 / 0.709**4), (720, 1280, 20 / 0.709**6)])
def test_the_smallest_face_is_a_step_of_the_default_search(height: int, width: int, expected: float):
    smallest = mtcnn.auto_min_face_px(height, width)
    assert smallest == pytest.approx(expected)
    assert 0.709 * height / 4 < smallest <= height / 4
    assert mtcnn.auto_min_face_px(width, height) == smallest
    assert mtcnn.auto_min_face_px(40, 40) == 20


def test_boxes_on_the_edge_are_cut():
    pixels = np.arange(20 * 30 * 3, dtype=np.uint16).reshape(20, 30, 3).astype(np.uint8)
    whole = crop_box(pixels, np.array([-50.0, -50.0, 90.0, 90.0]), 16, 4)
    assert whole.shape == (16, 16, 3)
    corner = crop_box(pixels, np.array([29.7, 19.6, 40.0, 40.0]), 4, 0)
    assert (corner == pixels[19, 29]).all()
    assert (crop_box(pixels, np.array([40.0, 40.0, 50.0, 50.0]), 4, 0) == pixels[19, 29]).all()


def test_weights_have_a_digest():
    digest = build("faces").weights_digest()
    assert digest == "2cb7c4276e63ff99b2cc062da074e0c3cbec4ad48a20c16e96608b9fce57b7bd"  # of facenet-pytorch 2.5.3
    assert build("frames").weights_digest() is None


def test_a_margin_that_leaves_nothing():
    with pytest.raises(ValueError, match="margin_px 224 leaves nothing"):
        build("faces", {"margin_px": 224})


def test_a_picture_may_be_scaled_before_a_face_is_looked_for(moving: Path):
    whole = extract("faces", moving, {"min_face_px": 20}).arrays
    small = extract("faces", moving, {"min_face_px": 20, "image_px": (120, 160)}).arrays
    np.testing.assert_allclose(2 * small["box"], whole["box"], atol=10)
    assert small["values"].shape == whole["values"].shape
    assert np.abs(small["values"].astype(int) - whole["values"]).mean() < 25


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
    given = align_landmarks(picture, landmarks, size, margin_px)
    assert given.shape == (size, size, 3)
    y, x = np.mgrid[:size, :size] + 0.5
    for number, (left, top) in enumerate(expected):
        near = np.where(np.hypot(x - left, y - top) < 8, given[..., 0].astype(float) - 20, 0)
        assert near.max() == pytest.approx(80 + 30 * number, abs=3)
        np.testing.assert_allclose(
            [(near * x).sum() / near.sum(), (near * y).sum() / near.sum()], [left, top], atol=0.3
        )


def test_landmarks_in_one_place_still_give_a_picture():
    given = align_landmarks(np.full((20, 30, 3), 77, np.uint8), np.full((5, 2), 9.0), 16, 0)
    assert (given == 77).all()
