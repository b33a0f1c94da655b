"""Content digests: sha256 over canonical JSON and over files, and how long a file's digest may be trusted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Coarsest clock among the usual file systems (FAT: 2 s).
CLOCK_NS = 2_000_000_000


def canonical_json(value: Any) -> str:
    """Write JSON whose text depends on the value alone: sorted keys, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: Any) -> str:
    """Compute the sha256, in hex, of a JSON-like value in canonical form."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Compute the sha256, in hex, of a file's bytes, read in bounded memory."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class FileStamp:
    """State of a file, or of several (arrays), when its digest was computed: size, time of change, begin of reading."""

    size: Any
    mtime_ns: Any
    read_ns: Any

    def holds(self, size: Any, mtime_ns: Any) -> Any:
        """True where a file of this size and time still has the digest.

        A file that changed within a tick of the clock around its reading may have changed again at the same time.
        """
        return (self.size == size) & (self.mtime_ns == mtime_ns) & (abs(self.read_ns - self.mtime_ns) > CLOCK_NS)
