"""Digests of large files, computed once and remembered by path, size and time of last change.

Planning needs the digest of every file of weights at each start, and each job once more: half a gigabyte is not read
again for that. As with media (`preflight/hashes.py`), a file is read again when its size or time changed, or when the
time is too close to the moment it was read, since a later change could have the same time.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from affectstore.digest import FileStamp, digest_file
from affectstore.files import write_atomic


def remembered_digest(path: Path, *, paranoid: bool = False) -> str:
    """Digest of a file (sha256), which is read only if the remembered digest is out of date.

    Args:
        path: The file.
        paranoid: Read it in any case.

    Raises:
        OSError: The file cannot be read.
    """
    real = path.resolve(strict=True)
    status = real.stat()
    known = None if paranoid else _valid(_recall().get(str(real)), status)
    if known is not None:
        return known
    read_ns = time.time_ns()
    sha256 = digest_file(real)
    after = real.stat()
    if (after.st_size, after.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
        entry = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "read_ns": read_ns, "sha256": sha256}
        _remember(str(real), entry)
    return sha256


def memory() -> Path:
    """File of remembered digests: `affectstore/weights.json` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "affectstore" / "weights.json"


def _valid(entry: Any, status: os.stat_result) -> str | None:
    """Remembered digest if it is still that of the file, else None."""
    try:
        stamp = FileStamp(entry["size"], entry["mtime_ns"], entry["read_ns"])
        holds = stamp.holds(status.st_size, status.st_mtime_ns)
        return entry["sha256"] if holds and isinstance(entry["sha256"], str) else None
    except (KeyError, TypeError):
        return None


def _recall() -> dict[str, Any]:
    """Remembered digests; none if the file is missing or damaged."""
    try:
        known = json.loads(memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(path: str, entry: dict[str, Any]) -> None:
    known = {other: kept for other, kept in _recall().items() if Path(other).is_file()} | {path: entry}
    try:
        write_atomic(memory(), (json.dumps(known, indent=1, sort_keys=True) + "\n").encode())
    except OSError:
        return  # a home that cannot be written to costs time, nothing else
