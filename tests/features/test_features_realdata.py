"""Features of real clips against independent references."""

from __future__ import annotations

import os
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.extraction import extract

from affectstore.features.video._mtcnn import auto_min_face_px

DATA = Path(os.environ.get("AFFECTSTORE_DATA", "nowhere"))
FLV = sorted(DATA.glob("crema-d/VideoFlash/*.flv"))[::40]
WAV = sorted(DATA.glob("ravdess/Actor_*/*.wav"))[::40]

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not (FLV and WAV), reason="AFFECTSTORE_DATA names no folder with crema-d and ravdess"),
]


@pytest.mark.parametrize("path", FLV, ids=lambda path: path.stem)
def test_mel_is_librosas(path: Path):
    import av
    import librosa

    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    given = extract("mel", path).arrays["values"]
    sound = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.float32) / 32768
    y = librosa.resample(sound, orig_sr=44100, target_sr=22050)
    power = librosa.feature.melspectrogram(y=y, sr=22050, n_fft=2048, hop_length=512, n_mels=128)
    np.testing.assert_allclose(given, librosa.power_to_db(power, ref=np.max, top_db=80).T, atol=1e-4)


@pytest.mark.parametrize("path", FLV, ids=lambda path: path.stem)
def test_frames_follow_the_containers_timestamps(path: Path):
    import av

    with av.open(str(path)) as container:
        shown = [(frame.pts * frame.time_base, frame) for frame in container.decode(video=0)]
    given = extract("frames", path)
    assert given.grid.start == shown[0][0]
    for row in range(given.rows):
        on_screen = [frame for time, frame in shown if time <= given.grid.edge(row)][-1]
        expected = on_screen.to_ndarray(format="rgb24", width=224, height=224, interpolation="AREA")
        assert np.abs(expected.astype(int) - given.arrays["values"][row]).max() <= 2
    assert 0 <= given.grid.edge(given.rows) - shown[-1][0] <= Fraction(1, 24) + Fraction(34, 1000)


@pytest.mark.parametrize("path", FLV, ids=lambda path: path.stem)
def test_boxes_are_mtcnns(path: Path):
    import av
    from facenet_pytorch import MTCNN

    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    middle = frames[len(frames) // 2]
    pixels = middle.to_ndarray(format="rgb24")
    boxes, probabilities = MTCNN(keep_all=True, min_face_size=auto_min_face_px(*pixels.shape[:2])).detect(pixels)
    given = extract("faces", path).arrays
    assert given["times"][0] == float(middle.pts * middle.time_base)
    np.testing.assert_allclose(given["box"][0], boxes[0].astype(float), atol=0.05)
    assert given["probability"][0] == pytest.approx(probabilities[0], abs=1e-3)
    by_default, _ = MTCNN(keep_all=True).detect(pixels)
    np.testing.assert_allclose(given["box"][0], by_default[0].astype(float), atol=10)


@pytest.mark.parametrize("path", FLV, ids=lambda path: path.stem)
def test_as_many_chunks_as_frames(path: Path):
    frames, chunks = extract("frames", path, {"size_px": 16}), extract("mel_chunks", path)
    assert (chunks.rows, chunks.grid) == (frames.rows, frames.grid)


@pytest.mark.parametrize("path", WAV, ids=lambda path: path.stem)
def test_wav_samples_are_the_files(path: Path):
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        rate_hz = file.getframerate()
    given = extract("audio", path)
    assert (given.grid.start, given.grid.rate) == (0, rate_hz)
    np.testing.assert_array_equal(given.arrays["values"], np.rint(samples.mean(axis=1)))
