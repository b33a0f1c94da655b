"""The speaker's face: found by MTCNN, followed through the clip, cropped and scaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.features.video import _mtcnn as mtcnn
from affectstore.features.video import _track
from affectstore.features.video._crop import align_landmarks, crop_box, to_grayscale
from affectstore.features.video._video_frames import VideoFrames
from affectstore.media.decode_video import middle_frame, shown_rows, timed_frames
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

SPEC = base.Spec(
    name="faces",
    version=2,
    summary="the speaker's face, by MTCNN",
    modality="vision",
    media=("video",),
    columns=("face_side",),
    libraries=("av", "facenet-pytorch", "torch"),
)

#: `smooth: auto` for sparse detection; features/video/_track.py states its effect.
_SMOOTH = 0.6

Side = Literal["left", "right"]


class Options(base.Options):
    """Options of `faces`."""

    renamed: ClassVar[Mapping[str, str]] = {"picture_px": "image_px"}
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"colour": {"grey": "grayscale"}}

    at: Literal["middle", "all"] | Annotated[float, Field(gt=0, le=1000)] = Field(
        default="middle",
        description="middle: the frame of index N // 2; all: every frame of the file, with its own time; "
        "a number: that many frames per second.",
    )
    image_px: base.ImageSize | None = Field(
        default=None,
        description="Side of the square, or height and width, to which the whole frame is stretched before the "
        "search; boxes are in its pixels. null: the file's own size.",
    )
    size_px: int = Field(default=224, ge=1, le=4096, description="Side of the square that the face is scaled to.")
    margin_px: int = Field(
        default=0, ge=0, description="Pixels of the result that surround the box, both sides together."
    )
    colour: Literal["rgb", "bgr", "grayscale"] = Field(
        default="rgb", description="Order of the channels; grayscale: luma (Rec. 601), one axis less."
    )
    align: Literal["none", "landmarks"] = Field(
        default="none",
        description="none: the box, stretched to the square; landmarks: the frame rotated, scaled and moved so that "
        "eyes, nose and mouth are nearest to fixed positions, in the face's own proportions.",
    )
    side: Literal["given", "whole"] = Field(
        default="given",
        description="given: search only the half of the frame that shows the speaker according to the corpus, "
        "if it states one; whole: search the whole frame.",
    )
    min_face_px: Literal["auto"] | Annotated[float, Field(ge=12)] = Field(
        default="auto",
        description="Smallest face to search for; auto: at most a quarter of the frame's shorter side (an eighth "
        "of a half's), and MTCNN's own 20 if that finds nothing.",
    )
    thresholds: tuple[float, float, float] = Field(
        default=(0.6, 0.7, 0.7), description="Thresholds of MTCNN's three stages."
    )
    select: _track.Select = Field(
        default="largest",
        description="Choice among several faces: in each frame the largest or the most probable, or tracked: "
        "the largest of all, followed both ways by overlap.",
    )
    detect_every: int = Field(
        default=1,
        ge=1,
        description="Detect in every k-th frame and the last, between them only where the track breaks (the middle "
        "of the break, then of its halves, and so on), and interpolate the rest.",
    )
    track_overlap: float = Field(
        default=0.85,
        ge=0,
        le=1,
        description="The track breaks between two detections that overlap less (intersection over union).",
    )
    track_probability: float = Field(
        default=0.9, ge=0, le=1, description="The track breaks at a detection that is less probable."
    )
    smooth: Literal["auto"] | Annotated[float, Field(ge=0, le=100)] = Field(
        default="auto",
        description="Boxes and landmarks are smoothed by lines fitted around each detection: the standard deviation of "
        "the weights, in detections; 0: none; auto: 0.6 where detect_every is above 1, else 0.",
    )

    @model_validator(mode="after")
    def _margin_leaves_a_face(self) -> Options:
        if self.margin_px >= self.size_px:
            raise ValueError(f"margin_px {self.margin_px} leaves nothing of size_px {self.size_px} for the face")
        return self

    def spec_for(self, spec: base.Spec) -> base.Spec:
        """Remove the speaker's side from the inputs if it is ignored."""
        return replace(spec, columns=()) if self.side == "whole" else spec

    @property
    def smooth_sd(self) -> float:
        """Standard deviation of the smoothing filter, in detections."""
        if self.smooth == "auto":
            return _SMOOTH if self.detect_every > 1 else 0.0
        return self.smooth


class Extractor(base.BaseExtractor):
    """Detection and cropping of one face per frame."""

    options: Options

    def __init__(self, options: Options, upstream: dict[str, base.BaseExtractor] | None = None):
        super().__init__(options, upstream)
        self._detector = mtcnn.FaceDetector(options.thresholds)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: uint8 (frame, size, size[, 3]), and the detections.

        `box`: x1 y1 x2 y2 of the track, without margin; `landmarks`: left eye, right eye, nose, left and
        right corner of the mouth; both in px of the whole upright image that was searched. `probability` is the
        detector's, and 0 for an interpolated face. `times`: start of each row.
        """
        return (
            base.image_spec("frame", base.height_width(self.options.size_px), self.options.colour, "jpeg"),
            ArraySpec("box", "float32", ("frame", "edge"), (4,), unit="px", columns=("x1", "y1", "x2", "y2")),
            ArraySpec("probability", "float32", ("frame",)),
            ArraySpec("landmarks", "float32", ("frame", "point", "axis"), (5, 2), unit="px", columns=("x", "y")),
            ArraySpec("times", "float64", ("frame",), unit="s"),
        )

    def weights_digest(self) -> str:
        """Compute the digest of MTCNN's weights.

        Raises:
            ConfigError: facenet-pytorch is not installed.
        """
        return mtcnn.weights_digest()

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Crop the face of the middle frame, of every frame, or of each row of the grid that `frames` has at this rate.

        Frames in which no face was found or searched take a face interpolated between their neighbours'.

        Raises:
            ClipError: The file cannot be decoded, or no frame shows a face.
            NotApplicable: The clip has no video file.
        """
        source, at, size = clip.media.source("video"), self.options.at, self.options.image_px
        side = clip.face_side if self.options.side == "given" else None
        where = source.path, source.start_s, source.end_s
        if at == "middle":
            picture = middle_frame(*where)
            return self._arrays(VideoFrames(lambda: [(picture, 1)], size), None, side)
        if at == "all":
            return self._arrays(VideoFrames(lambda: ((one, 1) for one in timed_frames(*where)), size), None, side)
        rate = Fraction(str(at))
        return self._arrays(VideoFrames(lambda: shown_rows(timed_frames(*where), rate), size), rate, side)

    def _arrays(self, shown: VideoFrames, rate: Fraction | None, side: Side | None) -> ClipArrays:
        """Detect in a first iteration and crop in a last one: a long clip's full frames are never in memory."""
        track = self._track(shown, side)
        starts = shown.starts
        faces = _track.interpolate(track, [float(start) for start in starts], self.options.smooth_sd)
        crops, counts = [], []
        for (picture, count), face in zip(shown, faces, strict=True):
            crops.append(self._crop(shown.pixels(picture), face))
            counts.append(count)
        row = np.repeat(np.arange(len(crops)), counts)
        grid = None if rate is None else Grid(starts[0], rate)
        times = [float(starts[k] if grid is None else grid.edge(k)) for k in range(len(row))]
        return ClipArrays(
            {
                "values": np.stack([crops[k] for k in row]),
                "box": np.array([face.box for face in faces], dtype=np.float32)[row],
                "probability": np.array([face.probability for face in faces], dtype=np.float32)[row],
                "landmarks": np.array([face.landmarks for face in faces], dtype=np.float32)[row],
                "times": np.array(times),
            },
            grid,
        )

    def _crop(self, pixels: np.ndarray, face: mtcnn.Face) -> np.ndarray:
        size_px, margin_px, colour = self.options.size_px, self.options.margin_px, self.options.colour
        if self.options.align == "landmarks":
            image = align_landmarks(pixels, face.landmarks, size_px, margin_px)
        else:
            image = crop_box(pixels, face.box, size_px, margin_px)
        return image if colour == "rgb" else image[..., ::-1] if colour == "bgr" else to_grayscale(image)

    def _track(self, shown: VideoFrames, side: Side | None) -> dict[int, mtcnn.Face]:
        """Detect the faces of the track, by the frame's number.

        Raises:
            ClipError: No frame shows a face.
        """
        options, every = self.options, self.options.detect_every
        for min_face_px in (
            ("auto", mtcnn.DEFAULT_MIN_FACE_PX) if options.min_face_px == "auto" else (options.min_face_px,)
        ):
            seen, searched = self._search(shown, lambda number, last: last or number % every == 0, side, min_face_px)
            track = _track.select_faces(seen, options.select)
            while again := _track.frames_to_search(track, seen, options.track_overlap, options.track_probability):
                seen |= self._search(shown, _among(again), side, min_face_px)[0]
                track = _track.select_faces(seen, options.select)
            if track:
                return track
        where = f"the picture at {float(shown.starts[0]):.3f} s"
        if len(shown.starts) > 1:
            where = f"any of {len(shown.starts)} pictures"
        raise ClipError(f"no face found in {where} ({searched})")

    def _search(
        self, shown: VideoFrames, wanted: Callable[[int, bool], bool], side: Side | None, min_face_px: float | str
    ) -> tuple[dict[int, tuple[mtcnn.Face, ...]], str]:
        """Detect the faces of the wanted frames, by number; describe the searched area and size in words."""
        seen: dict[int, tuple[mtcnn.Face, ...]] = {}
        searched = ""
        for numbers, pixels in shown.batches(wanted):
            height, width = pixels.shape[1:3]
            first, last = {None: (0, width), "left": (0, width // 2), "right": (width // 2, width)}[side]
            if min_face_px == "auto":
                fraction = mtcnn.AUTO_FRACTION if side is None else mtcnn.HALF_AUTO_FRACTION
                smallest_px = mtcnn.auto_min_face_px(height, last - first, fraction)
            else:
                smallest_px = float(min_face_px)
            found = self._detector.detect(pixels[:, :, first:last], smallest_px)
            seen |= {
                number: tuple(face.shift_right(first) for face in faces)
                for number, faces in zip(numbers, found, strict=True)
            }
            half = "" if side is None else f"{side} half of "
            searched = f"{half}{width} x {height} px; smallest face looked for {smallest_px:g} px"
        return seen, searched


def _among(numbers: frozenset[int]) -> Callable[[int, bool], bool]:
    return lambda number, _: number in numbers
