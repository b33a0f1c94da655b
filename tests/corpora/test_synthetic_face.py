"""Drawn faces: detected by MTCNN, and changed by expression, speech and blinks."""

from __future__ import annotations

import numpy as np
import pytest

from affectstore.corpora.synthetic._emotions import EXPRESSIONS, Expression
from affectstore.corpora.synthetic._face import Moment, draw
from affectstore.corpora.synthetic._frames import mouth_opening, render_frames
from affectstore.corpora.synthetic._head import paint
from affectstore.corpora.synthetic._speaker import speaker

REST = Moment(strength=1, speech=0, lid=0, gaze_x_px=0, gaze_y_px=0)
# Rows and columns of the enlarged canonical image.
BROWS, EYES, MOUTH = slice(150, 206), slice(206, 250), slice(316, 420)


def render(actor: int, emotion: str, frames: int = 12, size_px: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    speech = np.linspace(0, 1, frames)
    return list(
        render_frames(speaker(0, actor), EXPRESSIONS[emotion], speech, 25, size_px, np.random.default_rng(actor))
    )


def changed(rows: slice, look: Expression, now: Moment = REST) -> float:
    """Compute the mean difference from a face at rest, in a band of rows."""
    who = speaker(0, 1001)
    layers = paint(who, 0.0)
    rest = draw(layers.head, who, Expression(), REST)
    other = draw(layers.head, who, look, now)
    return float(np.abs(rest[rows].astype(float) - other[rows]).mean())


def test_mtcnn_finds_every_speaker_and_emotion() -> None:
    from facenet_pytorch import MTCNN

    frames = [render(actor, emotion)[-1 - actor % 3] for actor in range(1001, 1009) for emotion in EXPRESSIONS]
    boxes, _ = MTCNN(min_face_size=60).detect(frames)
    found = [box for box in boxes if box is not None]
    assert len(found) >= 0.95 * len(frames)
    assert 100 < np.median([box[0][2] - box[0][0] for box in found]) < 170


@pytest.mark.parametrize(
    ("rows", "look"),
    [
        (BROWS, Expression(brow_inner=1)),
        (BROWS, Expression(brow_outer=-1)),
        (EYES, Expression(eye=1)),
        (EYES, Expression(lower_lid=1)),
        (MOUTH, Expression(corner=1)),
        (MOUTH, Expression(open=0.5)),
        (MOUTH, Expression(upper_lip=1)),
    ],
)
def test_each_movement_shows_where_it_belongs(rows: slice, look: Expression) -> None:
    here = changed(rows, look)
    assert here > 0.4
    assert all(changed(other, look) < here for other in (BROWS, EYES, MOUTH) if other is not rows)


def test_speech_opens_the_mouth_and_a_blink_shuts_the_eyes() -> None:
    speaking = Moment(strength=1, speech=1, lid=0, gaze_x_px=0, gaze_y_px=0)
    blinking = Moment(strength=1, speech=0, lid=1, gaze_x_px=0, gaze_y_px=0)
    assert changed(MOUTH, Expression(), speaking) > 1 > changed(EYES, Expression(), speaking)
    assert changed(EYES, Expression(), blinking) > 1 > changed(MOUTH, Expression(), blinking)


def test_extreme_expressions_are_drawn() -> None:
    who = speaker(3, 1004)
    layers = paint(who, 5.0)
    for value in (-5.0, 5.0):
        look = Expression(*[value] * 15)
        for lid in (0.0, 0.5, 1.0):
            assert draw(layers.head, who, look, Moment(1.1, 1.0, lid, 3.0, 3.0)).shape == layers.head.shape


@pytest.mark.parametrize("size_px", [(320, 240), (480, 360), (240, 240), (640, 240)])
def test_frames_have_the_requested_size(size_px: tuple[int, int]) -> None:
    frames = render(1005, "HAP", 3, size_px)
    assert [frame.shape for frame in frames] == [(size_px[1], size_px[0], 3)] * 3
    assert frames[0].dtype == np.uint8
    assert not np.array_equal(frames[0], frames[1])


def test_mouth_follows_the_voice() -> None:
    voice = np.concatenate([np.zeros(882 * 4), np.sin(np.arange(882 * 6)), np.zeros(882 * 2)])
    track = mouth_opening(voice, 12)
    np.testing.assert_allclose(track, [0] * 4 + [1] * 6 + [0] * 2, atol=0.02)


def test_silence_keeps_the_mouth_shut() -> None:
    assert mouth_opening(np.zeros(8820), 10).max() == 0
