"""RAVDESS' files wherever they lie below the root: its archives are unpacked in many ways."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from affectstore.corpora._listing import printable, unusable
from affectstore.corpora._ravdess_names import AUDIO_ONLY, MODALITIES, Recording, parse
from affectstore.corpora.base import Skipped

#: Folders below the root that are looked into: archive/Audio_Speech_Actors_01-24/Actor_01 are three.
DEEPEST = 5
_SOUND, _PICTURE = ".wav", ".mp4"


@dataclass
class Files:
    """What lies below a root.

    Attributes:
        paths: modality code -> recording -> path relative to the root, with forward slashes.
        skipped: files that are left out, with reasons.
        copies: files that repeat one of `paths` in name and size: the archives are often unpacked twice.
        archives: zip files, relative to the root, which are not looked into.
        too_deep: folders that lie too deep to be looked into.
    """

    paths: dict[str, dict[Recording, str]] = field(default_factory=lambda: {code: {} for code in MODALITIES})
    skipped: list[Skipped] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    too_deep: list[str] = field(default_factory=list)


def find_files(root: Path) -> Files:
    """Find every file that is named as a recording; of two for one name, the one nearer to the root is used.

    A file that looks like one and is none is `skipped` with its reason; what else lies there (tables, pages,
    hidden files) is no media.
    """
    files = Files()
    for path in _below(root, files):
        _sort_in(root, path, files)
    return files


def _below(root: Path, files: Files) -> Iterator[str]:
    """Files, level by level, each in the order of names; a folder that is linked twice is seen once."""
    level, seen = [""], {os.path.realpath(root)}
    for _ in range(DEEPEST + 1):
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
                elif _suffix(path) in (_SOUND, _PICTURE):
                    files.skipped.append(_left_out(path, "a folder, not a media file"))
                elif unusable(entry.name):
                    files.skipped.append(_left_out(path, f"the folder is not looked into: {unusable(entry.name)}"))
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
        if unusable(name):
            raise ValueError(unusable(name))
        modality, recording = parse(stem)
        expected = _SOUND if modality == AUDIO_ONLY else _PICTURE
        if suffix != expected:
            raise ValueError(f"a recording of modality {modality} ({MODALITIES[modality]}) is a {expected} file")
    except ValueError as error:
        # a page or a table is no recording; whatever bears its name or its suffix should have been one
        if suffix in (_SOUND, _PICTURE) or _is_named_so(stem):
            files.skipped.append(_left_out(path, str(error)))
        return
    first = files.paths[modality].setdefault(recording, path)
    if first == path:
        return
    if _size(root / first) == _size(root / path):
        files.copies.append(path)
    else:
        files.skipped.append(_left_out(path, f"a second file for the same name, of another size; {first} is used"))


def _is_named_so(stem: str) -> bool:
    try:
        parse(stem)
    except ValueError:
        return False
    return True


def _left_out(path: str, reason: str) -> Skipped:
    name = path.rpartition("/")[2]
    return Skipped(printable(name[: len(name) - len(_suffix(name))]), printable(path), reason)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a link to nothing: the scan says so
        return -1
