"""Streams and durations of a media file, read from its packets without decoding them.

Containers state durations that are missing (FLV) or no longer true (a truncated file), so durations come from the
packets' timestamps. Streams are chosen by type: the first one may be data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Increased whenever the same file would be described differently; remembered probes are then repeated.
VERSION = 1


@dataclass(frozen=True)
class Probe:
    """One media file.

    Attributes:
        has_audio, has_video: True if there is an audio (video) stream with at least one packet. The cover image of an
            audio file is no video.
        audio_s, video_s: Length of the first such stream in seconds, from the start of its first packet (not before
            time 0) to the end of its last; 0.0 without one.
        problem: Reason why the file cannot be used at all, or ''.
    """

    has_audio: bool = False
    has_video: bool = False
    audio_s: float = 0.0
    video_s: float = 0.0
    problem: str = ""


def probe(path: Path) -> Probe:
    """Describe a media file; any fault is a `problem`, not an exception.

    A file that is truncated or corrupt further on is described as far as it can be read.
    """
    import av

    try:
        if path.stat().st_size == 0:
            return Probe(problem="the file is empty (0 bytes)")
        # An absolute path: a relative one with a colon would be taken for a protocol.
        container = av.open(str(path.absolute()))
    except (OSError, ValueError) as error:
        return Probe(problem=_reason(error))
    with container:
        streams = {kind: _first(container, kind) for kind in ("audio", "video")}
        spans = _spans(container, [stream for stream in streams.values() if stream is not None])
        seconds = {
            kind: float(spans[stream.index] * stream.time_base)
            for kind, stream in streams.items()
            if stream is not None and stream.index in spans
        }
    if not seconds:
        return Probe(problem="no sound and no picture in the file")
    return Probe("audio" in seconds, "video" in seconds, seconds.get("audio", 0.0), seconds.get("video", 0.0))


def _first(container, kind: str):
    """Find the first stream of a type, cover images aside."""
    from av.stream import Disposition

    for stream in container.streams:
        if stream.type == kind and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def _spans(container, streams: list) -> dict[int, int]:
    """Measure streams that have packets: stream index -> length in units of its time base."""
    import av

    first: dict[int, int] = {}
    last: dict[int, int] = {}
    step: dict[int, int] = {}
    try:
        for packet in container.demux(*streams) if streams else ():
            if packet.size == 0:  # an empty packet marks the end of a stream
                continue
            index = packet.stream_index
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None:
                first.setdefault(index, 0)
                last.setdefault(index, 0)
                continue
            time = max(time, 0)  # packets before 0 are the codec's priming
            if index in last and not packet.duration:
                step[index] = abs(time - last[index])
            first[index] = min(first.get(index, time), time)
            last[index] = max(last.get(index, time), time + (packet.duration or 0))
    except (av.FFmpegError, OSError):
        pass  # the rest cannot be read; extractors raise an error if they need it
    # A packet without a duration lasts as long as the one before it.
    return {index: last[index] - first[index] + step.get(index, 0) for index in first}


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a media file"
    text = getattr(error, "strerror", None) or str(error)
    return f"cannot be opened as media: {text[:1].lower()}{text[1:]}"
