"""Digests and streams of media files, remembered by path, size and time of last change.

A file is read again when its size or time changed, when the time is too close to the moment it was read (a later change
could have the same time), or on request (`paranoid`). A file that was only touched keeps its digest. A file that cannot
be read is tried again each time.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectstore.digest import FileStamp, digest_file
from affectstore.errors import CorpusError
from affectstore.files import write_atomic
from affectstore.media.probe import VERSION, Probe, probe

#: One row a file. `sha256` is null and `problem` says why where the file cannot be read.
COLUMNS = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("read_ns", pa.int64()),
        ("sha256", pa.string()),
        ("has_audio", pa.bool_()),
        ("has_video", pa.bool_()),
        ("audio_s", pa.float64()),
        ("video_s", pa.float64()),
        ("problem", pa.string()),
    ]
)
#: Those columns, row by row.
Files = dict[str, np.ndarray]
_NUMPY = {
    "string": np.dtype(object),
    "int64": np.dtype(np.int64),
    "bool": np.dtype(bool),
    "double": np.dtype(np.float64),
}
_PANDAS = {"string": "string", "int64": "int64", "bool": "bool", "double": "float64"}
_MEASURED = ("has_audio", "has_video", "audio_s", "video_s")
#: Files between two saves of what was read: an interrupted scan goes on from there.
_BATCH = 5_000
#: From so many files on a person is told that it takes a while.
_MANY = 500


def describe_files(
    root: Path,
    paths: Sequence[str],
    memory: Path,
    *,
    paranoid: bool = False,
    jobs: int | None = None,
    look: Callable[[Path], Probe] | None = None,
) -> pd.DataFrame:
    """Digest and streams of media files.

    Args:
        root: Folder of the corpus.
        paths: Files below it, relative, each once, sorted.
        memory: Parquet file in which descriptions are remembered from scan to scan.
        paranoid: Read every file again.
        jobs: Number of threads that read; by default one per core.
        look: Finds the streams of a file with new content; by default `probe`.

    Returns:
        Columns `COLUMNS`, one row per path, in the order of `paths`.

    Raises:
        CorpusError: A folder of the corpus is a link that leads out of it.
    """
    real_root = os.path.realpath(root)
    _check_folders(real_root, {path.rpartition("/")[0] for path in paths})
    known = _recall(memory, real_root)
    position = _positions(known["path"], paths)
    files = {name: values[position] if len(values) else _blank(name, len(paths)) for name, values in known.items()}
    sizes, times, problems = _stat(real_root, paths)
    stamps = FileStamp(files["size"], files["mtime_ns"], files["read_ns"])
    trusted = (position >= 0) & stamps.holds(sizes, times)
    if paranoid:
        trusted[:] = False
    files |= {"path": np.array(paths, dtype=object), "size": sizes, "mtime_ns": times}
    usable = np.ones(len(paths), dtype=bool)
    usable[list(problems)] = False
    todo = np.flatnonzero(~trusted & usable)
    for row in [*problems, *todo.tolist()]:
        _set(files, row, 0, None, Probe(problem=problems.get(row, "not read yet")))
    if len(todo):
        _read(files, todo, real_root, known, lambda: _remember(memory, real_root, files), jobs, look or probe)
    readable = int(sum(sha256 is not None for sha256 in files["sha256"]))
    if len(todo) or readable != len(known["path"]):
        _remember(memory, real_root, files)
    types = {name: _PANDAS[str(COLUMNS.field(name).type)] for name in COLUMNS.names}
    return pd.DataFrame({name: pd.Series(files[name], dtype=types[name]) for name in COLUMNS.names})


def unusable_files(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Path -> reason why a file cannot be used, for problems that show without opening it.

    Args:
        root: Folder of the corpus.
        paths: Files below it, relative.

    Raises:
        CorpusError: A folder of the corpus is a link that leads out of it.
    """
    real_root = os.path.realpath(root)
    _check_folders(real_root, {path.rpartition("/")[0] for path in paths})
    return {paths[row]: problem for row, problem in _stat(real_root, paths)[2].items()}


def _check_folders(real_root: str, folders: set[str]) -> None:
    for folder in sorted(folders):
        real = os.path.realpath(f"{real_root}/{folder}")
        if not _inside(real, real_root):
            raise CorpusError(
                f"{real_root}/{folder} is a link to {real}, outside of the corpus folder; "
                "media are read from below the corpus folder only: move or mount them there"
            )


def _inside(real: str, real_root: str) -> bool:
    return real == real_root or real.startswith(real_root.rstrip("/") + "/")


def _stat(real_root: str, paths: Sequence[str]) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Sizes and times of last change, and by row the problems that show without opening a file."""
    sizes, times = np.zeros(len(paths), dtype=np.int64), np.zeros(len(paths), dtype=np.int64)
    problems: dict[int, str] = {}
    for row, path in enumerate(paths):
        full = f"{real_root}/{path}"
        try:
            status = os.lstat(full)
            if stat.S_ISLNK(status.st_mode):
                if not _inside(os.path.realpath(full), real_root):
                    problems[row] = "a link that leads out of the corpus folder"
                    continue
                status = Path(full).stat()
        except OSError as error:
            problems[row] = "the file is missing" if isinstance(error, FileNotFoundError) else _unreadable(error)
            continue
        sizes[row], times[row] = status.st_size, status.st_mtime_ns
        if not stat.S_ISREG(status.st_mode):
            problems[row] = "not a regular file"
        elif status.st_size == 0:
            problems[row] = "the file is empty (0 bytes)"
    return sizes, times, problems


def _positions(known: np.ndarray, paths: Sequence[str]) -> np.ndarray:
    """Row of each path among the remembered ones, or -1."""
    if len(known) == len(paths) and known.tolist() == list(paths):
        return np.arange(len(paths))
    row = {path: index for index, path in enumerate(known)}
    return np.fromiter((row.get(path, -1) for path in paths), dtype=np.int64, count=len(paths))


def _read(
    files: Files,
    todo: np.ndarray,
    real_root: str,
    known: Files,
    save: Callable[[], None],
    jobs: int | None,
    look: Callable[[Path], Probe],
) -> None:
    """Hash the files of the rows `todo`, and probe those whose content was not known."""
    by_content = {sha256: row for row, sha256 in enumerate(known["sha256"])}

    def describe(row: int) -> tuple[int, int, str | None, Probe]:
        full = Path(real_root, files["path"][row])
        read_ns = time.time_ns()
        try:
            sha256 = digest_file(full)
        except OSError as error:
            return row, 0, None, Probe(problem=_unreadable(error))
        if sha256 not in by_content:
            return row, read_ns, sha256, look(full)
        seen = by_content[sha256]
        return (
            row,
            read_ns,
            sha256,
            Probe(**{field: known[field][seen].item() for field in _MEASURED}, problem=known["problem"][seen]),
        )

    if len(todo) >= _MANY:
        print(f"reading {len(todo)} new or changed media files below {real_root} ...", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        for begin in range(0, len(todo), _BATCH):
            if begin:
                save()
            for result in pool.map(describe, todo[begin : begin + _BATCH].tolist()):
                _set(files, *result)


def _set(files: Files, row: int, read_ns: int, sha256: str | None, found: Probe) -> None:
    files["read_ns"][row] = read_ns
    files["sha256"][row] = sha256
    for field in (*_MEASURED, "problem"):
        files[field][row] = getattr(found, field)


def _unreadable(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    return f"the file cannot be read: {error.strerror or error}"


def _blank(name: str, rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=_NUMPY[str(COLUMNS.field(name).type)])


def _recall(memory: Path, real_root: str) -> Files:
    """Remembered rows of this folder; none if the file is of another folder or version, or damaged."""
    try:
        table = pq.read_table(BytesIO(memory.read_bytes()))
    except (OSError, pa.ArrowException):  # missing or damaged: the media are read again, nothing is lost
        table = None
    if table is None or (table.schema.metadata or {}) != _origin(real_root) or table.schema != COLUMNS:
        return {name: _blank(name, 0) for name in COLUMNS.names}
    return {name: table[name].to_numpy().copy() for name in COLUMNS.names}


def _remember(memory: Path, real_root: str, files: Files) -> None:
    table = pa.table({name: files[name] for name in COLUMNS.names}, schema=COLUMNS)
    table = table.filter(table["sha256"].is_valid()).replace_schema_metadata(_origin(real_root))
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomic(memory, buffer.getvalue())


def _origin(real_root: str) -> dict[bytes, bytes]:
    # The same path, size and time in another folder may be another file.
    return {b"root": os.fsencode(real_root), b"probe": str(VERSION).encode()}
