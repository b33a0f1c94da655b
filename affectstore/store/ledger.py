"""What is in a shard: the small file that jobs and catalogs go by.

A ledger holds only what follows from the data, so that the same data gives the same bytes, and a run
that recomputes nothing changes nothing downstream.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from affectstore.digest import canonical_json
from affectstore.errors import IntegrityError, StoreError
from affectstore.files import write_atomic
from affectstore.store.layout import FORMAT, shard_of_data

Status = Literal["ok", "failed", "not_applicable"]
#: In the order of their codes in the stored `status` array.
STATUSES: tuple[Status, ...] = ("ok", "failed", "not_applicable")
HDF5_FILE = "data.h5"


class ClipEntry(NamedTuple):
    """One clip of a shard (a named tuple: a million of them are read at once).

    Attributes:
        clip_id: the clip.
        key: digest of all that its arrays follow from.
        status: "ok", or why there are no rows.
        reason: in words, where the status is not "ok".
        rows: length of the clip's arrays.
        digest: sha256 of the clip's arrays, "" where there are none.
    """

    clip_id: str
    key: str
    status: Status
    reason: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Ledger:
    """One shard of one feature.

    Attributes:
        format: of the store.
        feature_digest: digest of the feature's definition.
        shard: the shard's name.
        data: the data folder, relative to the feature's folder.
        files: size in bytes of each file in the data folder, by relative name, without the ledger's copy.
        clips: in stored order.
    """

    format: int
    feature_digest: str
    shard: str
    data: str
    files: Mapping[str, int]
    clips: tuple[ClipEntry, ...]

    @property
    def container(self) -> Literal["zarr", "hdf5"]:
        """How the data folder holds its arrays."""
        return "hdf5" if HDF5_FILE in self.files else "zarr"

    @property
    def rows(self) -> int:
        """Rows of all clips together."""
        return sum(clip.rows for clip in self.clips)

    @property
    def size_bytes(self) -> int:
        """Size of the data on disk."""
        return sum(self.files.values())

    def keys(self) -> dict[str, str]:
        """Key of each clip, by clip id."""
        return {clip.clip_id: clip.key for clip in self.clips}

    @cached_property
    def encoded(self) -> bytes:
        """The file's bytes: one line a clip, so that two ledgers can be compared by eye."""
        return self.canonical()

    def canonical(self) -> bytes:
        """The bytes that a ledger of this content has."""
        head = {name: getattr(self, name) for name in ("format", "feature_digest", "shard", "data")}
        lines = [
            *(f"{json.dumps(name)}:{canonical_json(value)}," for name, value in head.items()),
            f'"files":{canonical_json(dict(self.files))},',
            f'"columns":{canonical_json(ClipEntry._fields)},',
            '"clips":[',
            ",\n".join(canonical_json(clip) for clip in self.clips),
        ]
        return ("{" + "\n".join(lines) + "\n]}\n").encode()

    @cached_property
    def digest(self) -> str:
        """sha256 of the file's bytes."""
        return hashlib.sha256(self.encoded).hexdigest()

    @classmethod
    def decode(cls, data: bytes, source: str) -> Ledger:
        """A ledger from its file's bytes.

        Args:
            source: where they come from, for messages.

        Raises:
            IntegrityError: they are not a ledger.
            StoreError: a format that this version does not read.
        """
        try:
            written = json.loads(data)
            if written["format"] != FORMAT:
                raise StoreError(f"{source} has store format {written['format']!r}; this version reads format {FORMAT}")
            if tuple(written["columns"]) != ClipEntry._fields:
                raise ValueError(f"columns {written['columns']}")
            ledger = cls(
                format=FORMAT,
                feature_digest=written["feature_digest"],
                shard=written["shard"],
                data=written["data"],
                files={check_relative(name): int(size) for name, size in written["files"].items()},
                clips=tuple(ClipEntry(*row) for row in written["clips"]),
            )
            if shard_of_data(ledger.data) != ledger.shard:
                raise ValueError(f"data folder {ledger.data!r} is none of shard {ledger.shard!r}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{source} is not a whole ledger: {error}") from error
        ledger.__dict__["encoded"] = bytes(data)  # what was read, so that the digest is that of the file
        return ledger

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger in a file.

        Raises:
            StoreError: there is no such file, or it has another format.
            IntegrityError: the file is not a ledger.
        """
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreError(f"there is no ledger {path}") from error
        return cls.decode(data, str(path))

    def write(self, path: Path) -> None:
        """Replace the file at `path` in one step, on disk before this returns."""
        write_atomic(path, self.encoded)


def check_relative(name: str) -> str:
    """`name`, if it stays inside the folder it is relative to.

    Raises:
        ValueError: it does not.
    """
    if not name or name.startswith("/") or ".." in name.split("/") or "\\" in name:
        raise ValueError(f"file name {name!r} leaves its folder")
    return name
