"""A clip's frames, iterated more than once: kept while they are few, else decoded again each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from affectstore.media.decode_video import TimedFrame, to_array

#: Decoded frames kept in memory: half a minute of 480 x 360 px at 30 per second, 6 s of 1280 x 720.
#: Those of a longer clip are decoded again in every iteration.
KEPT_BYTES = 256 * 2**20

#: Batch size of the detector; larger batches are no faster and need memory in proportion.
_BATCH, _BATCH_PX = 16, 4_000_000


class VideoFrames:
    """Frames and the number of rows that show each, the same in every iteration.

    Args:
        walk: Function that starts an iteration.
        size_px: Side, or height and width, to which images are stretched; None keeps their size.

    Attributes:
        starts: Start time of each frame; empty until the first complete iteration.
    """

    def __init__(
        self, walk: Callable[[], Iterable[tuple[TimedFrame, int]]], size_px: int | tuple[int, int] | None = None
    ):
        from av.video.reformatter import VideoReformatter

        self.starts: list[Fraction] = []
        self._walk, self._size_px = walk, size_px
        self._kept: list[tuple[TimedFrame, int]] | None = None
        self._scaler = VideoReformatter()

    def __iter__(self) -> Iterator[tuple[TimedFrame, int]]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[tuple[TimedFrame, int]] = []
        starts: list[Fraction] = []
        held = 0
        for picture, rows in self._walk():
            starts.append(picture.start)
            held += _size(picture.frame)
            if held <= KEPT_BYTES:
                kept.append((picture, rows))
            else:
                kept.clear()
            yield picture, rows
        self.starts = starts
        if held <= KEPT_BYTES:
            self._kept = kept

    def pixels(self, timed: TimedFrame) -> np.ndarray:
        """Convert a frame to uint8 (height, width, 3) RGB, upright."""
        return to_array(timed.frame, self._scaler, self._size_px)

    def batches(self, wanted: Callable[[int, bool], bool]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Convert selected frames in one iteration, in order, several at a time.

        Args:
            wanted: Predicate of a frame's number and of True for the last one.

        Yields:
            Numbers of frames and uint8 (frame, height, width, 3) RGB, all of one size.
        """
        numbers: list[int] = []
        batch: list[np.ndarray] = []
        for number, picture, last in _with_last(self):
            if not wanted(number, last):
                continue
            pixels = self.pixels(picture)
            if batch and (len(batch) == _batch_size(pixels) or pixels.shape != batch[0].shape):
                yield numbers, np.stack(batch)
                numbers, batch = [], []
            numbers.append(number)
            batch.append(pixels)
        if batch:
            yield numbers, np.stack(batch)


def _with_last(shown: Iterable[tuple[TimedFrame, int]]) -> Iterator[tuple[int, TimedFrame, bool]]:
    """Enumerate the frames, with True for the last one."""
    held: TimedFrame | None = None
    number = -1
    for picture, _ in shown:
        if held is not None:
            yield number, held, False
        held, number = picture, number + 1
    if held is not None:
        yield number, held, True


def _batch_size(pixels: np.ndarray) -> int:
    return max(1, min(_BATCH, _BATCH_PX // (pixels.shape[0] * pixels.shape[1])))


def _size(frame: Any) -> int:
    return sum(plane.buffer_size for plane in frame.planes)
