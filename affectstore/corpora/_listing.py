"""Listing of the media files of a corpus folder, one per clip, with a reason for every other file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from affectstore.corpora.base import SkippedClip
from affectstore.errors import CorpusError


@dataclass(frozen=True)
class Listing:
    """Media of one folder.

    Attributes:
        folder: Folder, relative to the corpus root.
        paths: Name without extension -> path relative to the corpus root, with forward slashes.
        skipped: Files that are left out, with reasons.
    """

    folder: str
    paths: dict[str, str]
    skipped: tuple[SkippedClip, ...]


def printable(text: str) -> str:
    r"""Escape bytes of a file name that are not UTF-8, and control characters, as \x.. .

    >>> printable("a\udcffb\t")
    'a\\xffb\\x09'
    """
    shown = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown)


def check_root(corpus: str, root: Path, looked_for: str, url: str) -> None:
    """Check that a corpus folder exists and holds something.

    Args:
        corpus: Name of the corpus, for the message.
        root: The folder.
        looked_for: Files that are expected there, for the message.
        url: Source of the corpus; '' if it has none.

    Raises:
        CorpusError: The folder is missing, not a folder, not readable or empty.
    """
    source = f"get the corpus from {url} or " if url else ""
    advice = f"{source}set corpora.{corpus}.root to the folder that holds it"
    try:
        with os.scandir(root) as entries:
            empty = next(entries, None) is None
    except FileNotFoundError:
        problem = "does not exist"
    except NotADirectoryError:
        problem = "is not a folder"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    else:
        if not empty:
            return
        problem = "is empty"
    raise CorpusError(f"corpus {corpus!r}: {root} {problem}; looked there for {looked_for}; {advice}")


def list_media(root: Path, folder: str, suffix: str) -> Listing:
    """List the files `folder/*suffix`, with a suffix in any case; hidden files are no media.

    Of two files of one name (`a.flv`, `a.FLV`) the one with the suffix as written here is used, otherwise the first in
    the order of names. A missing folder has no files.

    Raises:
        CorpusError: The folder cannot be read.
    """
    paths: dict[str, str] = {}
    skipped: list[SkippedClip] = []
    names = list(_visible(root / folder))
    as_spelt = sorted(name for name in names if name.endswith(suffix))
    for name in [*as_spelt, *sorted(name for name in names if not name.endswith(suffix))]:
        path = f"{folder}/{name}"
        stem, dot, extension = name.rpartition(".") if "." in name else (name, "", "")
        # A corpus may have a million names: the common case is tested first.
        reason = None if name.isascii() and name.isprintable() else name_problem(name)
        if not reason and dot + extension.lower() != suffix:
            reason = f"not a {suffix} file"
        if not reason and stem in paths:
            reason = f"a second file for the same name; {paths[stem]} is used"
        if reason:
            skipped.append(SkippedClip(printable(stem), printable(path), reason))
        else:
            paths[stem] = path
    return Listing(folder, paths, tuple(skipped))


def _visible(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read: {error.strerror}") from None


def name_problem(name: str) -> str | None:
    """Reason why a file name cannot be written to a table, or None."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    return None if name.isprintable() else "control characters in the name"
