"""Files and folders that are complete or absent, also after a crash or a power cut."""

from __future__ import annotations

import os
import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SYNCED_AT_ONCE = 16


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` through a temporary file beside it, synced, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files that other users cannot read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_if_changed(path: Path, content: bytes) -> bool:
    """Write `content` unless the file holds it already; True if the file was written."""
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    write_atomic(path, content)
    return True


def temporary_folder(parent: Path, name: str) -> Path:
    """Make a hidden folder beside `name` that no other process uses."""
    folder = parent / f".{name}.tmp-{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk: a rename inside it then survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Flush everything in a folder, itself included, to the disk: files first, then folders."""
    files, folders = [], []
    for parent, _, names in os.walk(folder):
        folders.append(Path(parent))
        files += [Path(parent, name) for name in names]
    # In parallel, since a file system writes what waits together in one go: half the time.
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
        for paths in (files, folders):
            list(pool.map(sync, paths))
