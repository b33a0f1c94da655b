"""One stream of a media file, read with every doubt about it turned into a reason.

Streams are chosen by type, never by index (an flv begins with a DATA stream), and times are the
container's timestamps as exact fractions. A file that is damaged must not give half a clip, so three
kinds of evidence end the reading with a ClipError: a packet or frame that the libraries cannot decode
or mark as corrupt; a message at level ERROR from the stream's decoder or the container (a decoder that
conceals damage, as VP6's does, tells of it nowhere else; 321 sound clips of two corpora give no message
at all); and a file that ends earlier than its own header says.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from affectstore.errors import ClipError
from affectstore.media.riff import missing_bytes

Kind = Literal["audio", "video"]

#: Packets may end this much before the duration that the header states (streams differ in length, and
#: some writers state the end of the last frame).
SHORTFALL_S = Fraction(1, 4)

#: No packets for longer than this inside a clip is damage, not a pause or a variable frame rate.
MAX_GAP_S = Fraction(1)

_NAMES = {"audio": "sound", "video": "picture"}
_DAMAGE = re.compile(r"packet (corrupt|mismatch)|partial file|ended prematurely", re.IGNORECASE)
_SEEKABLE = frozenset({"mov", "mp4", "matroska", "avi", "wav"})
_SEEK_FROM_S = 5
_PREROLL_S = 2
_MICROSECONDS = 1_000_000


def exact(seconds: Fraction) -> Fraction:
    """A segment's time rounded to the microsecond, so that grids made of it fit into 64-bit fractions."""
    return Fraction(round(Fraction(seconds) * _MICROSECONDS), _MICROSECONDS)


def printable(path: Path) -> str:
    """A file's name as text that can be written, also where its bytes are not UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


class MediaStream:
    """The first stream of a kind in an open file; made by `open_stream`."""

    def __init__(self, container: Any, stream: Any, path: Path, kind: Kind, messages: list[tuple[int, str, str]]):
        self._container = container
        self._messages = messages
        self._ends = Fraction(0)
        self._jump = (Fraction(0), Fraction(0))
        # Other streams' decoders speak too, while the file is probed; their damage is not this stream's.
        self._speakers = {stream.codec_context.codec.name, container.format.name}
        self._guessed_duration = any("Estimating duration" in text for _, _, text in messages)
        # What the container said while a small file was probed to its end has no time; it is told at the end.
        self._opening = self._complaints(container.format.name)
        messages.clear()
        self.stream = stream
        self.path = path
        self.what = _NAMES[kind]

    def error(self, reason: str) -> ClipError:
        """A ClipError about this file."""
        return ClipError(f"{printable(self.path)}: {reason}")

    def packets(self, start_s: Fraction = Fraction(0)) -> Iterator[Any]:
        """Packets of the stream in file order, from some time before `start_s` to the end of the file.

        Raises:
            ClipError: the file is damaged, or ends before its own header says.
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
                raise self.error(f"cannot be read beyond {float(self._ends):.3f} s: {_said(error)}") from error
            if packet.pts is not None:
                self._note(packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base)
            # Not `packet.stream_index`: it is 0 for the empty packets that end every stream.
            if packet.stream.index == self.stream.index:
                self._check_parser(packet, start_s)
                yield packet
        self._check_complete()

    def frames(self, start_s: Fraction = Fraction(0)) -> Iterator[Any]:
        """Decoded frames in order of presentation, at the latest from the one on at `start_s`.

        Damage before `start_s` is another clip's.

        Raises:
            ClipError: the stream is damaged.
        """
        for packet in self.packets(start_s):
            yield from self.decode(packet, start_s)

    def decode(self, packet: Any, start_s: Fraction = Fraction(0)) -> list[Any]:
        """Frames that a packet completes.

        Raises:
            ClipError: the packet, at or after `start_s`, is damaged.
        """
        import av.error

        at_s = None if packet.pts is None else packet.pts * packet.time_base
        early = at_s is not None and at_s < start_s
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if early:
                return []
            raise self.damaged(at_s, _said(error)) from error
        if early:
            self._messages.clear()
            return frames
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            raise self.damaged(at_s, "part of the data is missing or wrong")
        self.check_messages(at_s)
        return frames

    def flush(self) -> list[Any]:
        """Frames that the decoder still holds when no packet follows.

        Raises:
            ClipError: the stream is damaged.
        """
        import av.error

        try:
            frames = self.stream.codec_context.decode(None)
        except av.error.FFmpegError as error:
            raise self.damaged(None, _said(error)) from error
        self.check_messages()
        return frames

    def check_messages(self, at_s: Fraction | None = None) -> None:
        """Raise what the container or the decoder complained about, if anything.

        Raises:
            ClipError: with the first message.
        """
        said = self._complaints(*self._speakers)
        self._messages.clear()
        if said:
            raise self.damaged(at_s, said[0])

    def damaged(self, at_s: Fraction | None, reason: str) -> ClipError:
        """The error for data that cannot be decoded at a time."""
        where = f"near {float(self._ends):.3f} s" if at_s is None else f"at {float(at_s):.3f} s"
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
            raise self.error(f"cannot be read from {float(target):.3f} s on: {_said(error)}") from error

    def _note(self, begin: Fraction, duration: Fraction) -> None:
        """Keep how far the data reach, and the widest step between packets, where data may be missing."""
        self._jump = max(self._jump, (begin - self._ends, self._ends))
        self._ends = max(self._ends, begin + duration)

    def _check_parser(self, packet: Any, start_s: Fraction) -> None:
        """Raise what the codec's parser said of a packet that nobody may decode."""
        said = self._messages and self._complaints(self.stream.codec_context.codec.name)
        at_s = self._ends if packet.pts is None else packet.pts * packet.time_base
        if said and at_s >= start_s:
            raise self.damaged(at_s, said[0])

    def _complaints(self, *speakers: str) -> list[str]:
        """Messages that tell of damage."""
        import av.logging

        return [
            text.strip()
            for level, name, text in self._messages
            if name in speakers and (level <= av.logging.ERROR or _DAMAGE.search(text))
        ]

    def _check_complete(self) -> None:
        if self._container.duration is not None and not self._guessed_duration:
            stated = Fraction(self._container.duration, _MICROSECONDS)
            if self._ends < stated - SHORTFALL_S:
                raise self.error(
                    f"is truncated: its header says {float(stated):.3f} s, the data end at {float(self._ends):.3f} s"
                )
        self.check_messages()
        if self._opening:
            raise self.damaged(self._jump[1], self._opening[0])


@contextlib.contextmanager
def open_stream(path: Path, kind: Kind) -> Iterator[MediaStream]:
    """Open a file at its first stream of a kind, for one decoding thread.

    Raises:
        ClipError: the file is missing, empty, unreadable, truncated, no media, or has no such stream.
    """
    check_file(path)
    with _captured() as messages, contextlib.ExitStack() as stack:
        container = _open(path, stack)
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


def check_file(path: Path) -> None:
    """Refuse what cannot be a media file before a library sees it.

    Raises:
        ClipError: missing, a folder, unreadable, empty, or a wav shorter than its header says.
    """
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise ClipError(f"{printable(path)}: the file is empty (0 bytes)")
            missing = missing_bytes(path)
    except OSError as error:
        raise ClipError(f"{printable(path)}: cannot be opened: {error.strerror}") from error
    if missing:
        raise ClipError(f"{printable(path)}: is truncated: {missing} bytes of sound that its header states are missing")


def _streams(container: Any, kind: Kind) -> list[Any]:
    import av.stream

    # A cover in a sound file is a video stream of one still picture; it is not the clip's picture.
    cover = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams if stream.type == kind and not stream.disposition & cover]


def _open(path: Path, stack: contextlib.ExitStack) -> Any:
    import av
    import av.error

    source: Any = str(path.absolute())
    try:
        source.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8: the library takes the open file instead
        source = stack.enter_context(path.open("rb"))
    try:
        # A playlist in a clip's clothes must not open other files or addresses.
        return stack.enter_context(av.open(source, options={"protocol_whitelist": "file"}))
    except (av.error.FFmpegError, OSError) as error:
        raise ClipError(f"{printable(path)}: is not readable as media: {_said(error)}") from error


@contextlib.contextmanager
def _captured() -> Iterator[list[tuple[int, str, str]]]:
    """Collect the libraries' messages of this thread from level WARNING on."""
    import av.logging

    level, skip = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture(local=True) as messages:
            yield messages
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skip)


def _said(error: Exception) -> str:
    log = getattr(error, "log", None)
    text = getattr(error, "strerror", None) or str(error)
    return f"{text} ({log[2].strip()})" if log else str(text)
