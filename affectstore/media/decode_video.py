"""Video frames of a clip with the time that each is shown, decoded by PyAV.

PyAV decodes and scales a clip in about half of OpenCV's time and returns each frame's own timestamp, which OpenCV does
not. Scaling and conversion to RGB happen in one step of swscale (area averaging, bit-exact on every processor). A
rotation or mirroring that the container states is applied.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affectstore.media.stream import MAX_GAP_S, SHORTFALL_S, MediaStream, exact, open_stream
from affectstore.timeline import rows_covering

Colour = Literal["rgb", "grayscale"]
#: Decoders of codecs in which a packet may hold a frame that is never shown, or none.
_HIDING = frozenset({"vp8", "libvpx", "vp9", "libvpx-vp9", "mpeg4", "av1", "libdav1d", "libaom-av1"})
_FORMATS = {"rgb": "rgb24", "grayscale": "gray"}


@dataclass(frozen=True)
class TimedFrame:
    """A source frame and the time that it is shown, in seconds from the start of the clip.

    Attributes:
        frame: The decoded `av.VideoFrame`.
        start, end: Time in which it is shown, [start, end), cut to the clip's segment.
    """

    frame: Any
    start: Fraction
    end: Fraction


def timed_frames(path: Path, start_s: Fraction = Fraction(0), end_s: Fraction | None = None) -> Iterator[TimedFrame]:
    """Decode the frames shown in [start_s, end_s), in order, and no further than needed.

    Time 0 of the clip is `start_s` on the container's clock. A frame is shown until the next one begins; the last one
    for the duration that the container states, or as long as the one before.

    Raises:
        ClipError: The file cannot be read, is damaged, or shows nothing in this time.
    """
    start_s, end_s = exact(start_s), None if end_s is None else exact(end_s)
    with open_stream(path, "video") as stream:
        empty = True
        for frame, begin, end in _on_screen(stream, start_s):
            if end_s is not None and begin >= end_s:
                break
            if end <= start_s:
                continue
            empty = False
            yield TimedFrame(
                frame, max(begin, start_s) - start_s, (end if end_s is None else min(end, end_s)) - start_s
            )
        else:
            if empty:
                raise stream.error(f"shows no picture from {float(start_s):.3f} s on")
            if end_s is not None and end < end_s - SHORTFALL_S:
                raise stream.error(f"the picture ends at {float(end):.3f} s, the clip at {float(end_s):.3f} s")
        if empty:
            raise stream.error(f"shows no picture between {float(start_s):.3f} and {float(end_s or 0):.3f} s")


def middle_frame(path: Path, start_s: Fraction = Fraction(0), end_s: Fraction | None = None) -> TimedFrame:
    """Decode frame N // 2 of the N frames shown in [start_s, end_s).

    N and the timestamps come from the packets, without decoding, and decoding starts at the last key frame before the
    middle. Codecs with packets that show nothing are decoded to count their frames.

    Raises:
        ClipError: The file cannot be read, is damaged, or shows nothing in this time.
    """
    start_s, end_s = exact(start_s), None if end_s is None else exact(end_s)
    with open_stream(path, "video") as stream:
        if stream.stream.codec_context.codec.name not in _HIDING:
            middle = _middle_by_packets(stream, start_s, end_s)
            if middle is not None:
                return middle
    count = sum(1 for _ in timed_frames(path, start_s, end_s))
    return next(itertools.islice(timed_frames(path, start_s, end_s), count // 2, None))


def shown_rows(shown: Iterable[TimedFrame], rate: Fraction) -> Iterator[tuple[TimedFrame, int]]:
    """Sample frames at the rows of a grid, each with the number of rows that show it.

    The grid begins with the first frame; row k shows the frame at its begin, k/rate seconds from there. Rows continue
    to the end of the last frame; frames that no row shows are left out.
    """
    origin: Fraction | None = None
    for timed in shown:
        origin = timed.start if origin is None else origin
        rows = rows_covering(timed.end - origin, rate) - rows_covering(timed.start - origin, rate)
        if rows:
            yield timed, rows


def to_array(
    frame: Any, scaler: Any, size_px: int | tuple[int, int] | None = None, colour: Colour = "rgb"
) -> np.ndarray:
    """Convert a frame to an upright array.

    Args:
        frame: An `av.VideoFrame`.
        scaler: An `av.video.reformatter.VideoReformatter`, kept from frame to frame for its tables.
        size_px: Side of the square, or height and width, to which the frame is stretched; None keeps its size.
        colour: "rgb" or "grayscale".

    Returns:
        Pixels, uint8 (height, width, 3) or, in grayscale, (height, width).
    """
    from av.video.reformatter import Interpolation

    if size_px is None:
        # The libraries' plain conversion, which OpenCV and PyAV agree on to the bit: a detector's boxes move
        # by pixels with the way chroma is interpolated.
        pixels = scaler.reformat(frame, format=_FORMATS[colour], threads=1).to_ndarray()
    else:
        flags = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        height, width = (size_px, size_px) if isinstance(size_px, int) else size_px
        if _is_rotated_by_90(frame):
            height, width = width, height
        pixels = scaler.reformat(
            frame, width=width, height=height, format=_FORMATS[colour], interpolation=flags, threads=1
        ).to_ndarray()
    return _upright(pixels, frame)


def _on_screen(stream: MediaStream, start_s: Fraction) -> Iterator[tuple[Any, Fraction, Fraction]]:
    """Decode frames with begin and end on the container's clock."""
    step = None
    # A None behind the last frame marks the end of the stream.
    for frame, following in itertools.pairwise(itertools.chain(stream.frames(start_s), (None,))):
        begin = _time(stream, frame)
        if following is None:
            yield frame, begin, begin + _last_duration(stream, frame, step)
            return
        step = _time(stream, following) - begin
        if step < 0:
            raise stream.error(f"timestamps of the picture go back after {float(begin):.3f} s")
        if step > MAX_GAP_S and begin + step > start_s:
            raise stream.error(
                f"no picture between {float(begin):.3f} and {float(begin + step):.3f} s: the file is damaged there"
            )
        if step:
            yield frame, begin, begin + step


def _time(stream: MediaStream, frame: Any) -> Fraction:
    if frame.pts is None:
        raise stream.error("a frame of the picture has no timestamp")
    return frame.pts * frame.time_base


def _last_duration(stream: MediaStream, frame: Any, step: Fraction | None) -> Fraction:
    if frame.duration:
        return frame.duration * stream.stream.time_base
    if step:
        return step
    rate = stream.stream.average_rate or stream.stream.guessed_rate
    if not rate:
        raise stream.error("the picture is one frame of unknown duration")
    return 1 / Fraction(rate)


def _middle_by_packets(stream: MediaStream, start_s: Fraction, end_s: Fraction | None) -> TimedFrame | None:
    """Decode the middle frame, or return None if the packets do not tell which one that is."""
    base = stream.stream.time_base
    packets = []
    for packet in stream.packets(start_s):
        if not packet.size:
            continue
        if packet.pts is None or packet.is_discard:
            return None
        if end_s is not None and packet.dts is not None and packet.dts * base >= end_s:
            break  # a frame is decoded before it is shown: all later ones are shown after the end
        packets.append(packet)
    times = sorted({packet.pts for packet in packets})
    if len(times) != len(packets):
        return None
    first = max(bisect.bisect_right(times, start_s / base) - 1, 0)
    last = len(times) if end_s is None else bisect.bisect_left(times, end_s / base)
    if first >= last:
        return None
    index = first + (last - first) // 2
    frame = _decode_at(stream, packets, times[index])
    begin = times[index] * base
    if index + 1 < len(times):
        end = times[index + 1] * base
    else:
        end = begin + _last_duration(stream, frame, (times[index] - times[index - 1]) * base if index else None)
    return TimedFrame(frame, max(begin, start_s) - start_s, (end if end_s is None else min(end, end_s)) - start_s)


def _decode_at(stream: MediaStream, packets: list[Any], pts: int) -> Any:
    """Decode the frame of a timestamp, from the key frame before it on."""
    first = max((k for k, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= pts), default=0)
    for packet in itertools.chain(packets[first:], (None,)):
        for frame in stream.flush() if packet is None else stream.decode(packet):
            if frame.pts == pts:
                return frame
    raise stream.error(f"the frame at {float(pts * stream.stream.time_base):.3f} s cannot be decoded")


def _upright(pixels: np.ndarray, frame: Any) -> np.ndarray:
    """Apply the rotation or mirroring that the container states."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return pixels
    a, b, c, d = matrix
    if _is_rotated_by_90(frame):  # displayed x' = c y, y' = b x
        pixels = pixels.swapaxes(0, 1)
        mirror_x, mirror_y = c < 0, b < 0
    else:  # x' = a x, y' = d y
        mirror_x, mirror_y = a < 0, d < 0
    return np.ascontiguousarray(pixels[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1])


def _is_rotated_by_90(frame: Any) -> bool:
    """True if x and y change places when the frame is displayed."""
    matrix = _display_matrix(frame)
    return matrix is not None and abs(matrix[1]) > abs(matrix[0])


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """Read the 2 x 2 part of the display matrix (libavutil/display.h), or None if there is none."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return None
    values = np.frombuffer(bytes(data), dtype=np.int32)
    return int(values[0]), int(values[1]), int(values[3]), int(values[4])
