"""The media files of a corpus folder, one per clip, and a reason for every other file that lies there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from affectstore.corpora.base import Skipped
from affectstore.errors import CorpusError


@dataclass(frozen=True)
class Listing:
    """Media of one folder.

    Attributes:
        folder: the folder, relative to the corpus root.
        paths: name without extension -> path relative to the corpus root, with forward slashes.
        skipped: files that are left out, with reasons.
    """

    folder: str
    paths: dict[str, str]
    skipped: tuple[Skipped, ...]


def printable(text: str) -> str:
    r"""A file name as it can be shown and written: bytes that are not UTF-8 and control characters as \x.. .

    >>> printable("a\udcffb\t")
    'a\\xffb\\x09'
    """
    shown = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown)


def check_root(corpus: str, root: Path, looked_for: str, url: str) -> None:
    """Stop where there is no corpus folder.

    Raises:
        CorpusError: the folder is missing, not a folder, not readable or empty.
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
    """List the files `folder/*suffix`, whatever the case of the suffix; hidden files are no media.

    A second file for one name (`a.flv`, `a.FLV`) is left out: the one spelt as the corpus does is
    used, else the first in the order of names. A folder that is not there has no files.

    Raises:
        CorpusError: the folder cannot be read.
    """
    paths: dict[str, str] = {}
    skipped: list[Skipped] = []
    names = list(_visible(root / folder))
    as_spelt = sorted(name for name in names if name.endswith(suffix))
    for name in [*as_spelt, *sorted(name for name in names if not name.endswith(suffix))]:
        path = f"{folder}/{name}"
        stem, dot, extension = name.rpartition(".") if "." in name else (name, "", "")
        # a million names pass here: what is in order is seen at one glance
        reason = "" if name.isascii() and name.isprintable() else unusable(name)
        if not reason and dot + extension.lower() != suffix:
            reason = f"not a {suffix} file"
        if not reason and stem in paths:
            reason = f"a second file for the same name; {paths[stem]} is used"
        if reason:
            skipped.append(Skipped(printable(stem), printable(path), reason))
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


def unusable(name: str) -> str:
    """Why a name cannot stand in a table, or ''."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    return "" if name.isprintable() else "control characters in the name"
