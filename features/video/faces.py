"""The speaker's face, found by MTCNN, cut out and scaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.features.video import _mtcnn as mtcnn
from affectstore.media.decode_video import Picture, middle_picture, pictures, shown_rows, to_array
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

SPEC = base.Spec(
    name="faces",
    version=1,
    summary="the speaker's face, by MTCNN",
    modality="vision",
    media=("video",),
    libraries=("av", "facenet-pytorch", "torch"),
)

_BATCH = 32

Shown = Callable[[], Iterable[tuple[Picture, int]]]


class Options(base.Options):
    """Options of `faces`."""

    at: Literal["middle"] | Annotated[float, Field(gt=0, le=1000)] = Field(
        default="middle", description="middle: the picture of index N // 2; a number: that many pictures a second."
    )
    size_px: int = Field(default=224, ge=1, le=4096, description="Side of the square that the face is scaled to.")
    margin_px: int = Field(
        default=0, ge=0, description="Pixels of the result that surround the box, both sides together."
    )
    min_face_px: Literal["auto"] | Annotated[float, Field(ge=12)] = Field(
        default="auto",
        description="Smallest face to look for; auto: at most a quarter of the picture's shorter side, and MTCNN's "
        "own 20 where that finds nothing.",
    )
    thresholds: tuple[float, float, float] = Field(
        default=(0.6, 0.7, 0.7), description="Thresholds of MTCNN's three stages."
    )
    select: Literal["largest", "probability"] = Field(
        default="largest", description="Which of several faces: the largest or the most probable."
    )
    detect_every: int = Field(
        default=1, ge=1, description="Detect in every k-th picture only, and interpolate the box between."
    )

    @model_validator(mode="after")
    def _margin_leaves_a_face(self) -> Options:
        if self.margin_px >= self.size_px:
            raise ValueError(f"margin_px {self.margin_px} leaves nothing of size_px {self.size_px} for the face")
        return self


class Extractor(base.BaseExtractor):
    """Finds and cuts out one face a picture."""

    options: Options

    def __init__(self, options: Options, upstream: dict[str, base.BaseExtractor] | None = None):
        super().__init__(options, upstream)
        self._detector = mtcnn.FaceDetector(options.thresholds, options.select)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: uint8 (frame, size, size, 3) RGB, and what was found.

        `box`: x1 y1 x2 y2 as detected, without margin; `landmarks`: left eye, right eye, nose, left and
        right corner of the mouth; both in px of the upright source picture. `probability` is 0 where
        the face was not detected but interpolated. `times`: where each row begins.
        """
        size = self.options.size_px
        return (
            ArraySpec("values", "uint8", ("frame", "height", "width", "channel"), (size, size, 3), codec="jpeg"),
            ArraySpec("box", "float32", ("frame", "edge"), (4,), unit="px", columns=("x1", "y1", "x2", "y2")),
            ArraySpec("probability", "float32", ("frame",)),
            ArraySpec("landmarks", "float32", ("frame", "point", "axis"), (5, 2), unit="px", columns=("x", "y")),
            ArraySpec("times", "float64", ("frame",), unit="s"),
        )

    def weights_digest(self) -> str:
        """Digest of MTCNN's weights.

        Raises:
            ConfigError: facenet-pytorch is not installed.
        """
        return mtcnn.weights_digest()

    def extract(self, clip: base.Clip) -> ClipArrays:
        """The middle picture's face, or one on each row of the grid that `frames` has at this rate.

        Pictures in which no face is found take a face interpolated between their neighbours'.

        Raises:
            ClipError: the file cannot be decoded, or no picture shows a face.
            NotApplicable: the clip has no picture file.
        """
        source, options = clip.media.source("video"), self.options
        where = source.path, source.start_s, source.end_s
        if options.at == "middle":
            picture = middle_picture(*where)
            return self._arrays(lambda: [(picture, 1)], None)
        rate = Fraction(str(options.at))
        return self._arrays(lambda: shown_rows(pictures(*where), rate), rate)

    def _arrays(self, shown: Shown, rate: Fraction | None) -> ClipArrays:
        """Detect in a first pass and cut out in a second: a long clip's full pictures never lie in memory."""
        from av.video.reformatter import VideoReformatter

        starts, found = self._detect(shown)
        faces = mtcnn.interpolated(found, [float(start) for start in starts])
        crops, counts = [], []
        scaler = VideoReformatter()
        for (picture, count), face in zip(shown(), faces, strict=True):
            pixels = to_array(picture.frame, scaler)
            crops.append(mtcnn.crop(pixels, face.box, self.options.size_px, self.options.margin_px))
            counts.append(count)
        row = np.repeat(np.arange(len(crops)), counts)
        grid = None if rate is None else Grid(starts[0], rate)
        times = [float(starts[0] if grid is None else grid.edge(k)) for k in range(len(row))]
        return ClipArrays(
            {
                "values": np.stack(crops)[row],
                "box": np.array([face.box for face in faces], dtype=np.float32)[row],
                "probability": np.array([face.probability for face in faces], dtype=np.float32)[row],
                "landmarks": np.array([face.landmarks for face in faces], dtype=np.float32)[row],
                "times": np.array(times),
            },
            grid,
        )

    def _detect(self, shown: Shown) -> tuple[list[Fraction], list[mtcnn.Face | None]]:
        """When each picture begins, and its face.

        Raises:
            ClipError: no picture shows a face.
        """
        auto = self.options.min_face_px == "auto"
        for smallest in ("auto", mtcnn.DEFAULT_MIN_FACE_PX) if auto else (self.options.min_face_px,):
            starts: list[Fraction] = []
            faces: list[mtcnn.Face | None] = []
            for batch_starts, pixels in self._batches(shown):
                looked_for_px = mtcnn.auto_min_face_px(*pixels.shape[1:3]) if smallest == "auto" else smallest
                detected = iter(self._detector.detect(pixels, float(looked_for_px)))
                for start in batch_starts:
                    faces.append(next(detected) if len(starts) % self.options.detect_every == 0 else None)
                    starts.append(start)
            if any(face is not None for face in faces):
                return starts, faces
        where = f"the picture at {float(starts[0]):.3f} s" if len(starts) == 1 else f"any of {len(starts)} pictures"
        height, width = pixels.shape[1:3]
        raise ClipError(
            f"no face found in {where} ({width} x {height} px; smallest face looked for {looked_for_px:g} px)"
        )

    def _batches(self, shown: Shown) -> Iterator[tuple[list[Fraction], np.ndarray]]:
        """Starts of pictures one behind the other, and the pixels of those among them to detect in.

        The pixels are uint8 (frame, height, width, 3), all of one size.
        """
        from av.video.reformatter import VideoReformatter

        scaler = VideoReformatter()
        starts: list[Fraction] = []
        batch: list[np.ndarray] = []
        for number, (picture, _) in enumerate(shown()):
            if number % self.options.detect_every == 0:
                pixels = to_array(picture.frame, scaler)
                if batch and (len(batch) == _BATCH or pixels.shape != batch[0].shape):
                    yield starts, np.stack(batch)
                    starts, batch = [], []
                batch.append(pixels)
            starts.append(picture.start)
        yield starts, np.stack(batch)
