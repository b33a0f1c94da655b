"""Faces in every picture: looking at every fifth one, and following, against looking at each."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affectstore.features.base import BaseExtractor, Clip, Media, Source, build
from benchmarks.line import Line, at_least
from benchmarks.media import some_clips
from benchmarks.timing import Rounds, one_core

EVERY = 5
LEAST_TIMES_FASTER, LEAST_PART_ALIKE = 3, 0.95
_OVERLAP = 0.9


def lines(clips: int = 12, rounds: int = 3) -> Iterator[Line]:
    """Seconds a clip of the whole extraction, decoding and cutting out included, and how far the boxes agree.

    Args:
        clips: Number of clips.
        rounds: Number of measurements of each way.
    """
    each, sparse = (build("faces", {"at": "all", "detect_every": every}) for every in (1, EVERY))
    with tempfile.TemporaryDirectory() as temporary, one_core(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = some_clips(clips, Path(temporary))
        seconds = Rounds()
        boxes: dict[str, list[np.ndarray]] = {}
        for extractor in (each, sparse):
            _boxes(extractor, given.videos[0])
        for _ in range(rounds):
            for name, extractor in (("each", each), ("sparse", sparse)):
                with seconds.timed(name):
                    boxes[name] = [_boxes(extractor, video) for video in given.videos]
    yield at_least(
        f"faces in every picture, {given}, detected in every {EVERY}th, times faster",
        f"{seconds.median('sparse') / len(given.plan):.2f} s a clip",
        f"detected in each: {seconds.median('each') / len(given.plan):.2f} s",
        seconds.ratio(["each"], ["sparse"]),
        LEAST_TIMES_FASTER,
    )
    overlap = _overlaps(np.concatenate(boxes["each"]), np.concatenate(boxes["sparse"]))
    alike = float((overlap >= _OVERLAP).mean())
    yield at_least(
        f"- part of the boxes that overlap by {_OVERLAP:g} or more",
        f"{alike:.1%} of {len(overlap)} pictures",
        f"mean overlap: {overlap.mean():.3f}",
        alike,
        LEAST_PART_ALIKE,
    )


def _boxes(extractor: BaseExtractor, video: Path) -> np.ndarray:
    return extractor.extract(Clip(video.stem, Media(video=Source(video)))).arrays["box"]


def _overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union, row by row."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    return shared / ((one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1) - shared)
