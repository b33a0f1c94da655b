"""Folders that are there whole or not at all, also after a crash or a power cut (files: `affectstore.files`)."""

from __future__ import annotations

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_AT_ONCE = 16


def temporary_folder(parent: Path, name: str) -> Path:
    """Make a hidden folder beside `name` that no one else uses."""
    folder = parent / f".{name}.tmp-{secrets.token_hex(8)}"
    folder.mkdir()
    return folder


def sync_tree(folder: Path) -> None:
    """Wait until everything in a folder, itself included, is on disk: files first, then folders."""
    files, folders = [], []
    for parent, _, names in os.walk(folder):
        folders.append(Path(parent))
        files += [Path(parent, name) for name in names]
    # side by side, since a file system writes what waits together in one go: half the time
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for paths in (files, folders):
            list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
