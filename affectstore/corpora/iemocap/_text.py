"""Reading the corpus' text files."""

from __future__ import annotations

from pathlib import Path

from affectstore.errors import CorpusError


def read_lines(root: Path, path: str) -> list[str]:
    """The lines of a text file; a byte that is not UTF-8 (the files are ASCII but for raters' comments) is marked.

    Raises:
        CorpusError: the file cannot be read.
    """
    try:
        return (root / path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"{root / path} cannot be read: {error.strerror}") from None
