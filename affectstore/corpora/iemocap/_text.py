"""Lines of the corpus' text files."""

from __future__ import annotations

from pathlib import Path

from affectstore.errors import CorpusError


def read_lines(root: Path, path: str) -> list[str]:
    """Read the lines of a text file; bytes that are not UTF-8, as in raters' comments, are replaced by U+FFFD.

    Raises:
        CorpusError: The file cannot be read.
    """
    try:
        return (root / path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"{root / path} cannot be read: {error.strerror}") from None
