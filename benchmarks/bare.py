"""The baseline of extraction: the same results by the libraries' own calls and a plain write, nothing else.

No damage is looked for, nothing is verified, synced or keyed, times are not looked at (every fifth frame
is left out), and the spectrogram under a frame is an equal part of the whole.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import cv2
import librosa
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from facenet_pytorch import MTCNN
from PIL import Image

SIZE_PX = 224


class Bare:
    """A function per feature: from a clip to a file in `folder`.

    Args:
        folder: Folder of the files; created if missing.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._detector = MTCNN(keep_all=True, device="cpu")
        self._smiles: dict[tuple[str, str], Any] = {}
        self._upstream: dict[tuple[str, str], np.ndarray] = {}

    def extract(self, feature: str, video: Path) -> None:
        """Compute a feature and write it; those it reads are still in memory."""
        getattr(self, feature)(video)

    def audio(self, video: Path) -> None:
        """int16 samples."""
        with av.open(str(video)) as container:
            rate = container.streams.audio[0].rate
            parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
        sound = np.concatenate(parts, axis=1)
        samples = np.rint(sound.mean(axis=0) * 32767).astype(np.int16) if sound.dtype.kind == "f" else sound[0]
        self._keep("audio", video, samples)
        self._upstream["rate", video.stem] = np.array(rate)

    def mel(self, video: Path) -> None:
        """float32 (column, 128) in dB."""
        samples, rate = self._upstream["audio", video.stem], int(self._upstream["rate", video.stem])
        sound = librosa.resample(samples.astype(np.float32) / 32768, orig_sr=rate, target_sr=22050, res_type="soxr_hq")
        power = librosa.feature.melspectrogram(y=sound, sr=22050, n_fft=2048, hop_length=512, n_mels=128)
        self._keep("mel", video, librosa.power_to_db(power, ref=np.max).T)

    def mel_image(self, video: Path) -> None:
        """uint8 (224, 224)."""
        level_db = self._upstream["mel", video.stem].T[::-1]
        picture = cv2.resize(np.ascontiguousarray(level_db), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
        self._keep("mel_image", video, np.rint((picture / 80 + 1) * 255).astype(np.uint8))

    def frames(self, video: Path) -> None:
        """JPEGs of four frames in five, 224 x 224."""
        scaler, pictures = VideoReformatter(), []
        with av.open(str(video)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % 5 != 4:
                    scaled = scaler.reformat(
                        frame, SIZE_PX, SIZE_PX, format="rgb24", interpolation=Interpolation.AREA, threads=1
                    )
                    pictures.append(scaled.to_ndarray())
        encoded = [_jpeg(picture) for picture in pictures]
        (self._folder / f"{video.stem}-frames.jpegs").write_bytes(b"".join(encoded))
        np.save(self._folder / f"{video.stem}-frames.npy", np.array([len(one) for one in encoded]))
        self._upstream["frames", video.stem] = np.array(len(pictures))

    def mel_chunks(self, video: Path) -> None:
        """float16 (frame, 128, 4)."""
        parts = np.array_split(self._upstream["mel", video.stem], int(self._upstream["frames", video.stem]))
        chunks = [cv2.resize(part.T, (4, 128), interpolation=cv2.INTER_AREA) for part in parts if len(part)]
        self._keep("mel_chunks", video, np.stack(chunks).astype(np.float16))

    def faces(self, video: Path, min_face_px: float = 79.15) -> None:
        """The middle frame's face, 224 x 224."""
        with av.open(str(video)) as container:
            count = sum(1 for packet in container.demux(video=0) if packet.size)
        with av.open(str(video)) as container:
            middle = next(f for k, f in enumerate(container.decode(video=0)) if k == count // 2)
        pixels = middle.to_ndarray(format="rgb24")
        self._detector.min_face_size = min(min_face_px, min(pixels.shape[:2]) / 4)
        boxes, _, _ = self._detector.detect(pixels[None], landmarks=True)
        if boxes[0] is None:
            return
        x1, y1, x2, y2 = (max(0, int(edge)) for edge in boxes[0][0])
        face = Image.fromarray(pixels[y1:y2, x1:x2]).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)
        (self._folder / f"{video.stem}-face.jpeg").write_bytes(_jpeg(np.asarray(face)))
        np.save(self._folder / f"{video.stem}-face.npy", boxes[0][0])

    def faces_all(self, video: Path) -> None:
        """Every picture's face, each picture looked at, in batches of 32."""
        with av.open(str(video)) as container:
            pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        self._detector.min_face_size = min(79.15, min(pictures.shape[1:3]) / 4)
        found = [box for k in range(0, len(pictures), 32) for box in self._detector.detect(pictures[k : k + 32])[0]]
        faces = []
        for pixels, boxes in zip(pictures, found, strict=True):
            if boxes is not None:
                x1, y1, x2, y2 = (max(0, int(edge)) for edge in boxes[0])
                faces.append(Image.fromarray(pixels[y1:y2, x1:x2]).resize((SIZE_PX, SIZE_PX)))
        encoded = [_jpeg(np.asarray(face)) for face in faces]
        (self._folder / f"{video.stem}-faces.jpegs").write_bytes(b"".join(encoded))

    def frame_pairs(self, video: Path) -> None:
        """Two pictures every half second, one beside the other, 224 x 448."""
        scaler = VideoReformatter()
        with av.open(str(video)) as container:
            frames = [(float(frame.time), frame) for frame in container.decode(video=0)]
        first = [next(k for k, (time, _) in enumerate(frames) if time >= at) for at in np.arange(0, frames[-1][0], 0.5)]
        pairs = []
        for k in first:
            both = (frames[k][1], frames[min(k + 1, len(frames) - 1)][1])
            scaled = [
                scaler.reformat(frame, SIZE_PX, SIZE_PX, format="rgb24", threads=1).to_ndarray() for frame in both
            ]
            pairs.append(_jpeg(np.concatenate(scaled, axis=1)))
        (self._folder / f"{video.stem}-pairs.jpegs").write_bytes(b"".join(pairs))

    def lld(self, video: Path) -> None:
        """float32 (frame, 65) by the packaged set."""
        self._smile(video, "lld", "ComParE_2016", "LowLevelDescriptors")

    def lld130(self, video: Path) -> None:
        """Descriptors and deltas, by two runs of the packaged set: it has no windows of 32 ms."""
        self._smile(video, "lld130", "ComParE_2016", "LowLevelDescriptors")
        self._smile(video, "lld130-deltas", "ComParE_2016", "LowLevelDescriptors_Deltas")

    def functionals(self, video: Path) -> None:
        """float32 (1, 6373)."""
        self._smile(video, "functionals", "ComParE_2016", "Functionals")

    def egemaps(self, video: Path) -> None:
        """float32 (1, 88)."""
        self._smile(video, "egemaps", "eGeMAPSv02", "Functionals")

    def mfcc(self, video: Path) -> None:
        """float32 (column, 40)."""
        samples, rate = self._upstream["audio", video.stem], int(self._upstream["rate", video.stem])
        scaled = samples.astype(np.float32) / 32768
        sound = librosa.resample(scaled, orig_sr=rate, target_sr=22050, res_type="kaiser_best")
        self._keep("mfcc", video, librosa.feature.mfcc(y=sound, sr=22050, n_mfcc=40).T)

    def _smile(self, video: Path, feature: str, feature_set: str, level: str) -> None:
        import opensmile

        if (feature_set, level) not in self._smiles:
            self._smiles[feature_set, level] = opensmile.Smile(
                opensmile.FeatureSet[feature_set], opensmile.FeatureLevel[level]
            )
        samples, rate = self._upstream["audio", video.stem], int(self._upstream["rate", video.stem])
        table = self._smiles[feature_set, level].process_signal(samples.astype(np.float32) / 32768, rate)
        self._keep(feature, video, table.to_numpy())

    def _keep(self, feature: str, video: Path, array: Any) -> None:
        np.save(self._folder / f"{video.stem}-{feature}.npy", array)
        self._upstream[feature, video.stem] = array


def _jpeg(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling="4:2:0")
    return buffer.getvalue()
