"""The other baseline of extraction: how the studies that this pipeline generalises prepared their data.

A process of ffmpeg for the sound, the spectrogram drawn as a figure without axes and read back, MTCNN
with its defaults on the middle frame at full size, openSMILE on the file of the sound, and, by a script
of their own that opens the video again, for the 3D networks every frame and a piece of the spectrogram
per frame as plain arrays (T, 3, 224, 224).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import librosa
import librosa.display
import matplotlib as mpl
import numpy as np
import opensmile
from facenet_pytorch import MTCNN

mpl.use("agg")
from matplotlib import pyplot as plt

SIZE_PX = 224


class SeedsWay:
    """Everything of a clip.

    Args:
        folder: Folder of the files; created if missing.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._detector = MTCNN(device="cpu")
        self._smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.LowLevelDescriptors)

    def extract(self, video: Path) -> None:
        """Sound, spectrogram picture, face, and the two 3D arrays."""
        stem = self._folder / video.stem
        spectrogram = self._spectrogram(video, stem)
        self._face(_middle(video), stem)
        kept = [frame for number, frame in enumerate(_decoded(video)) if number % 5 != 4]
        np.save(f"{stem}-frames.npy", _stacked(kept))
        np.save(f"{stem}-chunks.npy", _stacked(np.array_split(spectrogram, len(kept), axis=1)))

    def describe(self, video: Path) -> None:
        """Descriptors of the sound that `extract` has written."""
        stem = self._folder / video.stem
        np.save(f"{stem}-lld.npy", self._smile.process_file(f"{stem}.wav").to_numpy())

    def _spectrogram(self, video: Path, stem: Path) -> np.ndarray:
        wav = f"{stem}.wav"
        ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", str(video), "-vn", wav]
        subprocess.run(ffmpeg, check=True, stdin=subprocess.DEVNULL)
        sound, rate = librosa.load(wav, sr=22050)
        power = librosa.feature.melspectrogram(y=sound, sr=rate, n_fft=2048, hop_length=512, n_mels=128)
        figure = plt.figure(figsize=(2.24, 2.24), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        librosa.display.specshow(librosa.power_to_db(power, ref=np.max), sr=rate, hop_length=512, ax=axes)
        figure.savefig(f"{stem}.png")
        plt.close(figure)
        return np.asarray(cv2.imread(f"{stem}.png"))

    def _face(self, frame: np.ndarray, stem: Path) -> None:
        boxes, _ = self._detector.detect(frame)
        if boxes is None:  # such clips were left out
            return
        x1, y1, x2, y2 = (max(0, int(edge)) for edge in boxes[0])
        cv2.imwrite(f"{stem}-face.png", cv2.resize(frame[y1:y2, x1:x2], (SIZE_PX, SIZE_PX)))


def _decoded(video: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    frames: list[np.ndarray] = []
    while True:
        there, frame = capture.read()
        if not there:
            return frames
        frames.append(frame)


def _middle(video: Path) -> np.ndarray:
    """The frame of index N // 2, read up to there: an flv has no index to seek by."""
    capture = cv2.VideoCapture(str(video))
    for _ in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // 2):
        capture.grab()
    return capture.read()[1]


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
    """uint8 (T, 3, 224, 224)."""
    return np.stack([cv2.resize(p, (SIZE_PX, SIZE_PX)).transpose(2, 0, 1) for p in pictures if p.size])
