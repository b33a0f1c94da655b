"""Search for RAVDESS' files below the root, at any depth: its archives are unpacked in many ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from affectstore.corpora._listing import name_problem, printable
from affectstore.corpora._ravdess_names import AUDIO_ONLY, MODALITIES, Recording, parse
from affectstore.corpora.base import SkippedClip

#: Depth of the folders that are searched: archive/Audio_Speech_Actors_01-24/Actor_01 is at three.
MAX_DEPTH = 5
_AUDIO, _VIDEO = ".wav", ".mp4"


@dataclass
class Files:
    """Files below a root.

    Attributes:
        paths: Modality code -> recording -> path relative to the root, with forward slashes.
        skipped: Files that are left out, with reasons.
        copies: Files of the same name and size as one of `paths`: the archives are often unpacked twice.
        archives: Zip files, relative to the root, which are not opened.
        too_deep: Folders below `MAX_DEPTH`, which are not searched.
    """

    paths: dict[str, dict[Recording, str]] = field(default_factory=lambda: {code: {} for code in MODALITIES})
    skipped: list[SkippedClip] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    too_deep: list[str] = field(default_factory=list)


def find_files(root: Path) -> Files:
    """Find every file that is named as a recording; of two with one name, the one closer to the root is used.

    Files that resemble recordings are `skipped` with a reason; other files (tables, pages, hidden files) are ignored.
    """
    files = Files()
    for path in _below(root, files):
        _sort_in(root, path, files)
    return files


def _below(root: Path, files: Files) -> Iterator[str]:
    """Yield files level by level, in the order of names; a folder that is linked twice is searched once."""
    level, seen = [""], {os.path.realpath(root)}
    for _ in range(MAX_DEPTH + 1):
        below: list[str] = []
        for folder in sorted(level):
            try:
                with os.scandir(root / folder) as entries:
                    there = sorted((entry for entry in entries if entry.name[0] != "."), key=lambda e: e.name)
            except OSError as error:
                files.skipped.append(_left_out(folder, f"the folder cannot be read: {error.strerror}"))
                continue
            for entry in there:
                path = f"{folder}/{entry.name}".lstrip("/")
                if not os.path.isdir(root / path):  # noqa: PTH112 (False where a link leads in a circle)
                    yield path
                elif _suffix(path) in (_AUDIO, _VIDEO):
                    files.skipped.append(_left_out(path, "a folder, not a media file"))
                elif problem := name_problem(entry.name):
                    files.skipped.append(_left_out(path, f"the folder is not searched: {problem}"))
                elif (real := os.path.realpath(root / path)) not in seen:
                    seen.add(real)
                    below.append(path)
        level = below
    files.too_deep += level


def _sort_in(root: Path, path: str, files: Files) -> None:
    name = path.rpartition("/")[2]
    stem, suffix = name[: len(name) - len(_suffix(name))], _suffix(name)
    if suffix == ".zip":
        files.archives.append(printable(path))
        return
    try:
        if problem := name_problem(name):
            raise ValueError(problem)
        modality, recording = parse(stem)
        expected = _AUDIO if modality == AUDIO_ONLY else _VIDEO
        if suffix != expected:
            raise ValueError(f"a recording of modality {modality} ({MODALITIES[modality]}) is a {expected} file")
    except ValueError as error:
        # Other files, such as pages and tables, are ignored.
        if suffix in (_AUDIO, _VIDEO) or _has_name(stem):
            files.skipped.append(_left_out(path, str(error)))
        return
    first = files.paths[modality].setdefault(recording, path)
    if first == path:
        return
    if _size(root / first) == _size(root / path):
        files.copies.append(path)
    else:
        files.skipped.append(_left_out(path, f"a second file for the same name, of another size; {first} is used"))


def _has_name(stem: str) -> bool:
    try:
        parse(stem)
    except ValueError:
        return False
    return True


def _left_out(path: str, reason: str) -> SkippedClip:
    name = path.rpartition("/")[2]
    return SkippedClip(printable(name[: len(name) - len(_suffix(name))]), printable(path), reason)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a broken link, which the scan reports
        return -1
