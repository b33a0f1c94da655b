"""Opening media files, with what cannot be one refused before a library sees it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from affectstore.errors import ClipError
from affectstore.media.riff import missing_bytes


def printable(path: Path) -> str:
    """A file's name as text that can be written, also where its bytes are not UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


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


def open_container(path: Path, stack: contextlib.ExitStack) -> Any:
    """The file as an `av` container, which `stack` closes.

    Raises:
        ClipError: the file is not readable as media.
    """
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
        raise ClipError(f"{printable(path)}: is not readable as media: {said(error)}") from error


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


def said(error: Exception) -> str:
    """A library's error in words, with the message that led to it."""
    log = getattr(error, "log", None)
    text = getattr(error, "strerror", None) or str(error)
    return f"{text} ({log[2].strip()})" if log else str(text)
