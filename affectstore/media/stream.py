"""Reader of one stream of a media file that raises an error at any sign of damage.

Streams are chosen by type, never by index (an flv begins with a DATA stream), and times are the container's timestamps
as exact fractions. A damaged file must not yield half a clip, so three kinds of evidence end the reading with a
ClipError: a packet or frame that the libraries cannot decode or mark as corrupt; a message at level ERROR from the
stream's decoder or the container (a decoder that conceals damage, as VP6's does, reports it nowhere else; 321 intact
clips of two corpora cause no message at all); and a file that ends earlier than its own header states.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from affectstore.errors import ClipError
from affectstore.media.opening import captured, check_file, error_text, open_container, printable

Kind = Literal["audio", "video"]

#: Packets may end this much before the duration that the header states (streams differ in length, and
#: some writers state the end of the last frame).
SHORTFALL_S = Fraction(1, 4)

#: No packets for longer than this inside a clip is damage, not a pause or a variable frame rate.
MAX_GAP_S = Fraction(1)

#: Names in messages; stores keep messages as reasons of failed clips.
_NAMES = {"audio": "sound", "video": "picture"}
_DAMAGE = re.compile(r"packet (corrupt|mismatch)|partial file|ended prematurely", re.IGNORECASE)
_SEEKABLE = frozenset({"mov", "mp4", "matroska", "avi", "wav"})
_SEEK_FROM_S = 5
_PREROLL_S = 2
_MICROSECONDS = 1_000_000


def exact(seconds: Fraction) -> Fraction:
    """Round a segment's time to the microsecond, so that grids made of it fit into 64-bit fractions."""
    return Fraction(round(Fraction(seconds) * _MICROSECONDS), _MICROSECONDS)


class MediaStream:
    """First stream of a kind in an open file; made by `open_stream`."""

    def __init__(self, container: Any, stream: Any, path: Path, kind: Kind, messages: list[tuple[int, str, str]]):
        self._container = container
        self._messages = messages
        # In floating point: these only measure how far the data reach, for every packet of the file.
        self._ends_s = 0.0
        self._jump_s = (0.0, 0.0)
        self._tick_s: dict[int, float] = {}
        # Other streams' decoders write messages too, while the file is probed; their damage is not this stream's.
        self._senders = {stream.codec_context.codec.name, container.format.name}
        self._guessed_duration = any("Estimating duration" in text for _, _, text in messages)
        # Messages of the container from probing a small file to its end have no time; they are raised at the end.
        self._opening = self._complaints(container.format.name)
        messages.clear()
        self.stream = stream
        self.path = path
        self.what = _NAMES[kind]

    def error(self, reason: str) -> ClipError:
        """Make a ClipError about this file."""
        return ClipError(f"{printable(self.path)}: {reason}")

    def packets(self, start_s: Fraction = Fraction(0)) -> Iterator[Any]:
        """Read the packets of the stream in file order, from some time before `start_s` to the end of the file.

        Raises:
            ClipError: The file is damaged, or ends before its own header states.
        """
        import av.error

        self._seek(start_s)
        reader = self._container.demux()
        while True:
            try:
                packet = next(reader)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                raise self.error(f"cannot be read beyond {self._ends_s:.3f} s: {error_text(error)}") from error
            self._note(packet)
            # Not `packet.stream_index`: it is 0 for the empty packets that end every stream.
            if packet.stream.index == self.stream.index:
                if self._messages:
                    self._check_parser(packet, start_s)
                yield packet
        self._check_complete()

    def frames(self, start_s: Fraction = Fraction(0)) -> Iterator[Any]:
        """Decode frames in order of presentation, at the latest from the one at `start_s`.

        Damage before `start_s` belongs to another clip and is ignored.

        Raises:
            ClipError: The stream is damaged.
        """
        for packet in self.packets(start_s):
            yield from self.decode(packet, start_s)

    def decode(self, packet: Any, start_s: Fraction = Fraction(0)) -> list[Any]:
        """Decode the frames that a packet completes.

        Raises:
            ClipError: The packet, at or after `start_s`, is damaged.
        """
        import av.error

        early = start_s > 0 and packet.pts is not None and packet.pts * packet.time_base < start_s
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if early:
                return []
            raise self.damaged(_seconds(packet), error_text(error)) from error
        if early:
            self._messages.clear()
            return frames
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            raise self.damaged(_seconds(packet), "part of the data is missing or wrong")
        if self._messages:
            self.check_messages(_seconds(packet))
        return frames

    def flush(self) -> list[Any]:
        """Decode the frames that the decoder still holds when no packet follows.

        Raises:
            ClipError: The stream is damaged.
        """
        import av.error

        try:
            frames = self.stream.codec_context.decode(None)
        except av.error.FFmpegError as error:
            raise self.damaged(None, error_text(error)) from error
        self.check_messages()
        return frames

    def check_messages(self, at_s: float | None = None) -> None:
        """Raise the first message of damage from the container or the decoder, if any.

        Raises:
            ClipError: There is one.
        """
        complaints = self._complaints(*self._senders)
        self._messages.clear()
        if complaints:
            raise self.damaged(at_s, complaints[0])

    def damaged(self, at_s: float | None, reason: str) -> ClipError:
        """Make the error for data that cannot be decoded at a time."""
        where = f"near {self._ends_s:.3f} s" if at_s is None else f"at {at_s:.3f} s"
        return self.error(f"the {self.what} is damaged {where}: {reason}")

    def _seek(self, start_s: Fraction) -> None:
        # Only where the container has an index: elsewhere the timestamps after a seek are guesses.
        if start_s < _SEEK_FROM_S or _SEEKABLE.isdisjoint(self._container.format.name.split(",")):
            return
        import av.error

        target = start_s - _PREROLL_S
        try:
            self._container.seek(int(target / self.stream.time_base), stream=self.stream, backward=True)
        except av.error.FFmpegError as error:
            raise self.error(f"cannot be read from {float(target):.3f} s on: {error_text(error)}") from error

    def _note(self, packet: Any) -> None:
        """Track the end of the data, and the widest step between packets, at which data may be missing."""
        if packet.pts is None:
            return
        index = packet.stream.index
        if index not in self._tick_s:  # asking a packet for its time base costs more than the rest
            self._tick_s[index] = float(packet.time_base)
        begin_s = packet.pts * self._tick_s[index]
        if begin_s - self._ends_s > self._jump_s[0]:
            self._jump_s = begin_s - self._ends_s, self._ends_s
        self._ends_s = max(self._ends_s, begin_s + (packet.duration or 0) * self._tick_s[index])

    def _check_parser(self, packet: Any, start_s: Fraction) -> None:
        """Raise the message of the codec's parser about a packet, which may never be decoded."""
        complaints = self._complaints(self.stream.codec_context.codec.name)
        at_s = _seconds(packet)
        if complaints and (at_s is None or at_s >= start_s):
            raise self.damaged(at_s, complaints[0])

    def _complaints(self, *senders: str) -> list[str]:
        """Filter the messages of damage from some senders."""
        import av.logging

        return [
            text.strip()
            for level, name, text in self._messages
            if name in senders and (level <= av.logging.ERROR or _DAMAGE.search(text))
        ]

    def _check_complete(self) -> None:
        if self._container.duration is not None and not self._guessed_duration:
            stated_s = self._container.duration / _MICROSECONDS
            if self._ends_s < stated_s - SHORTFALL_S:
                raise self.error(
                    f"is truncated: its header says {stated_s:.3f} s, the data end at {self._ends_s:.3f} s"
                )
        self.check_messages()
        if self._opening:
            raise self.damaged(self._jump_s[1], self._opening[0])


@contextlib.contextmanager
def open_stream(path: Path, kind: Kind) -> Iterator[MediaStream]:
    """Open a file at its first stream of a kind, for one decoding thread.

    Raises:
        ClipError: The file is missing, empty, unreadable, truncated, no media, or has no such stream.
    """
    check_file(path)
    with captured() as messages, contextlib.ExitStack() as stack:
        container = open_container(path, stack)
        streams = _streams(container, kind)
        if not streams:
            present = sorted({stream.type for stream in container.streams}) or ["none"]
            raise ClipError(f"{printable(path)}: has no {kind} stream; its streams: {', '.join(present)}")
        stream = streams[0]
        if stream.codec_context is None:
            raise ClipError(f"{printable(path)}: the {_NAMES[kind]} is in a format that cannot be decoded")
        # One job has one core; frame threads would change neither frames nor order, only the memory.
        stream.codec_context.thread_count = 1
        yield MediaStream(container, stream, path, kind, messages)


def _streams(container: Any, kind: Kind) -> list[Any]:
    import av.stream

    # The cover of an audio file is a video stream of one still image; it is not the clip's video.
    cover = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams if stream.type == kind and not stream.disposition & cover]


def _seconds(packet: Any) -> float | None:
    """Time at which a packet's data are presented, in seconds; None without a timestamp."""
    return None if packet.pts is None else float(packet.pts * packet.time_base)
