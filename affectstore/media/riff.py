"""Whether a wav holds the bytes that its header states; FFmpeg reads a shorter one without a word."""

from __future__ import annotations

import os
from pathlib import Path

_UNKNOWN = (0, 0xFFFFFFFF)  # a writer that could not go back to its header leaves one of these


def missing_bytes(path: Path) -> int:
    """How many bytes of a RIFF/WAVE file's `data` chunk are missing; 0 for whole and for other files.

    Bytes after the data, or an odd last chunk, are no fault.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        end = os.fstat(file.fileno()).st_size
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return 0 if size in _UNKNOWN else max(0, file.tell() + size - end)
            file.seek(size + size % 2, os.SEEK_CUR)
    return 0
