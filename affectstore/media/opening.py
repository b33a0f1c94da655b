"""Open media files; files that cannot be one are refused before a library sees them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from affectstore.errors import ClipError

_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # a writer that could not go back to its header leaves one of these


def printable(path: Path) -> str:
    """Return a file's name as printable text, also if its bytes are not UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def check_file(path: Path) -> None:
    """Refuse a file that cannot be a media file before a library sees it.

    Raises:
        ClipError: It is missing, a folder, unreadable, empty, or a wav shorter than its header states.
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


def missing_bytes(path: Path) -> int:
    """Count the missing bytes of a RIFF/WAVE file's `data` chunk; 0 for complete and for other files.

    FFmpeg reads a shorter file without any message. Bytes after the data, or an odd last chunk, are no fault.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        end = os.fstat(file.fileno()).st_size
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return 0 if size in _UNKNOWN_SIZES else max(0, file.tell() + size - end)
            file.seek(size + size % 2, os.SEEK_CUR)
    return 0


def open_container(path: Path, stack: contextlib.ExitStack) -> Any:
    """Open a file as an `av` container, which `stack` closes.

    Raises:
        ClipError: The file is not readable as media.
    """
    import av
    import av.error

    source: Any = str(path.absolute())
    try:
        source.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8: the library takes the open file instead
        source = stack.enter_context(path.open("rb"))
    try:
        # A playlist with a clip's name must not open other files or addresses.
        return stack.enter_context(av.open(source, options={"protocol_whitelist": "file"}))
    except (av.error.FFmpegError, OSError) as error:
        raise ClipError(f"{printable(path)}: is not readable as media: {error_text(error)}") from error


@contextlib.contextmanager
def captured() -> Iterator[list[tuple[int, str, str]]]:
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


def error_text(error: Exception) -> str:
    """Describe a library's error, with the message that led to it."""
    log = getattr(error, "log", None)
    text = getattr(error, "strerror", None) or str(error)
    return f"{text} ({log[2].strip()})" if log else str(text)
