"""Values of each version of an extractor for a fixed input.

A failing test here means that the output has changed: increase the extractor's SPEC.version, so that stores are
computed again, and record the new values with the version. Inputs are generated, and coded without loss.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.drawn_face import face_picture, lossless_video
from support.extraction import of_samples

from affectstore.features.base import EXTRACTORS, Clip, Media, Source, build
from affectstore.store.clip_arrays import ClipArrays
from affectstore.timeline import Grid

RATE = Fraction(22050, 512)


def versions(*names: str) -> list[int]:
    return [EXTRACTORS.load(name).SPEC.version for name in names]


def sha(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]


def triangle(samples: int, period: int) -> np.ndarray:
    """Generate an integer wave: the same samples on every machine."""
    return (np.abs(np.arange(samples) % period - period // 2) * 200 - 50 * period).astype(np.int16)


def ramp_mel(columns: int = 50) -> ClipArrays:
    """Generate a spectrogram of simple fractions."""
    column, band = np.arange(columns)[:, None], np.arange(128)
    return ClipArrays({"values": -((column * 7 + band * 3) % 81).astype(np.float32)}, Grid(Fraction(0), RATE))


@pytest.fixture(scope="module")
def film(folder: Path) -> Path:
    """Write half a second of a synthetic face that moves to the right."""
    moving = np.stack([face_picture(centre=(0.4 + 0.02 * k, 0.5)) for k in range(12)])
    return lossless_video(folder / "face.avi", moving)


def test_audio(folder: Path):
    import wave

    path = folder / "golden.wav"
    stereo = np.stack([triangle(4001, 101), triangle(4001, 63)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes(stereo.tobytes())
    media = Media(Source(path, Fraction("0.01"), Fraction("0.2")))
    given = build("audio").extract(Clip("clip", media))
    assert versions("audio") == [1]
    assert (given.rows, given.grid) == (3040, Grid(Fraction(0), Fraction(16000)))
    assert sha(given.arrays["values"]) == "b5595f4fd5210555"


def test_frames(folder: Path):
    frame, row, column = np.mgrid[:12, :180, :160]
    planes = ((frame * 5 + row * 3 + column * 2) % 220 + 16).astype(np.uint8)
    path = lossless_video(folder / "planes.avi", planes, pixels="yuv420p")
    given = build("frames", {"size_px": 64}).extract(Clip("clip", Media(video=Source(path))))
    assert versions("frames") == [1]
    assert (given.rows, given.grid) == (12, Grid(Fraction(0), Fraction(24)))
    assert sha(given.arrays["values"]) == "90320841c58cfef1"


def test_faces(film: Path):
    given = build("faces").extract(Clip("clip", Media(video=Source(film)))).arrays
    assert versions("faces") == [2]
    assert given["times"].tolist() == [0.24]
    # Networks give other last bits on other processors.
    np.testing.assert_allclose(given["box"], [[112.67, 42.082, 221.277, 202.635]], atol=0.05)
    np.testing.assert_allclose(given["landmarks"][0, [0, 2]], [[142.264, 108.863], [167.316, 137.588]], atol=0.05)
    means = given["values"][0].reshape(4, 56, 4, 56, 3).mean(axis=(1, 3))[1:3, 1:3, 1]
    np.testing.assert_allclose(means, [[154.58, 154.515], [174.09, 174.06]], atol=0.5)


def test_mel():
    given = of_samples(build("mel"), triangle(8000, 91))
    assert versions("mel") == [1]
    assert (given.rows, given.grid) == (22, Grid(-1 / (2 * RATE), RATE))
    np.testing.assert_allclose(
        given.arrays["values"][[0, 5, 21]][:, [3, 40, 100]],
        [[-25.342, -38.772, -51.138], [-55.752, -70.923, -74.078], [-24.877, -43.633, -57.468]],
        atol=1e-3,
    )


def test_mel_image():
    clip = Clip("clip", Media(), {"mel": ramp_mel()})
    stretched = build("mel_image", {"size_px": 96}).extract(clip).arrays["values"]
    fixed = build("mel_image", {"size_px": 96, "time": "fixed", "width_s": 2, "colour": "magma"}).extract(clip)
    assert versions("mel_image") == [1]
    assert sha(stretched) == "35772a39b75d22a1"
    assert sha(fixed.arrays["values"]) == "526585d6fe73a99b"


def test_mel_chunks():
    frames = ClipArrays({"values": np.zeros((26, 1, 1, 3), np.uint8)}, Grid(Fraction(27, 1000), Fraction(24)))
    clip = Clip("clip", Media(), {"mel": ramp_mel(), "frames": frames})
    assert versions("mel_chunks") == [1]
    assert sha(build("mel_chunks").extract(clip).arrays["values"]) == "620451a6643cc617"
    assert sha(build("mel_chunks", {"align": "stretch"}).extract(clip).arrays["values"]) == "9236ba9eae363ac3"
    assert sha(build("mel_chunks", {"image_px": 32}).extract(clip).arrays["values"]) == "8a49c64757dc7c5b"
