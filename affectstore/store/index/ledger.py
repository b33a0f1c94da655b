"""Ledger of a shard: the small file that jobs and catalogs go by.

A ledger holds only what follows from the data, so that the same data makes the same bytes, and a run that recomputes
nothing changes nothing downstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from affectstore.errors import StoreError
from affectstore.files import write_atomic
from affectstore.store.folders import Folder
from affectstore.store.index.document import Document, lines_of
from affectstore.store.paths import FORMAT, HDF5_FILE, LEDGER, shard_of_data

Status = Literal["ok", "failed", "not_applicable"]
#: In the order of their codes in the stored `status` array.
STATUSES: tuple[Status, ...] = ("ok", "failed", "not_applicable")


class ClipEntry(NamedTuple):
    """One clip of a shard (a named tuple: a million of them are read at once).

    Attributes:
        clip_id: Id of the clip.
        key: Digest of all that its arrays follow from.
        status: "ok", or the kind of reason for which there are no rows.
        reason: Reason in words, if the status is not "ok".
        rows: Length of the clip's arrays.
        digest: The sha256 of the clip's arrays, "" if there are none.
    """

    clip_id: str
    key: str
    status: Status
    reason: str
    rows: int
    digest: str


@dataclass(frozen=True)
class Ledger(Document):
    """One shard of one feature.

    Attributes:
        format: Format of the store.
        feature_digest: Digest of the feature's definition.
        shard: Name of the shard.
        data: Data folder, relative to the feature's folder.
        files: Size in bytes of each file in the data folder, by relative name, without the ledger's copy.
        clips: Clips in stored order.
    """

    kind = "ledger"

    format: int
    feature_digest: str
    shard: str
    data: str
    files: Mapping[str, int]
    clips: tuple[ClipEntry, ...]

    @property
    def container(self) -> Literal["zarr", "hdf5"]:
        """Format of the arrays in the data folder."""
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

    def canonical(self) -> bytes:
        """Write the file's bytes, one line per clip."""
        head = {name: getattr(self, name) for name in ("format", "feature_digest", "shard", "data")}
        return lines_of(head | {"files": dict(self.files), "columns": ClipEntry._fields}, "clips", self.clips)

    @classmethod
    def from_json(cls, written: Any) -> Self:
        """Build a ledger from its parsed JSON."""
        if tuple(written["columns"]) != ClipEntry._fields:
            raise ValueError(f"columns {written['columns']}")
        if shard_of_data(written["data"]) != written["shard"]:
            raise ValueError(f"data folder {written['data']!r} is none of shard {written['shard']!r}")
        return cls(
            format=FORMAT,
            feature_digest=written["feature_digest"],
            shard=written["shard"],
            data=written["data"],
            files={check_relative(name): int(size) for name, size in written["files"].items()},
            clips=tuple(ClipEntry(*row) for row in written["clips"]),
        )

    @classmethod
    def decode(cls, data: bytes, source: str) -> Self:
        """Build a ledger from its file's bytes (`Document.decode`), and keep them: the digest is that of the file."""
        ledger = super().decode(data, source)
        ledger.__dict__["encoded"] = bytes(data)
        return ledger

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the ledger in a file.

        Raises:
            StoreError: There is no such file, or it has another format.
            IntegrityError: The file is not a ledger.
        """
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreError(f"there is no ledger {path}") from error
        return cls.decode(data, str(path))

    @classmethod
    def read_copy(cls, folder: Folder) -> Self:
        """Read the copy that a data folder holds.

        Raises:
            StoreError: There is none, or it has another format.
            IntegrityError: It is damaged.
        """
        try:
            data = folder.read(LEDGER)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreError(f"{folder} is not the data folder of a shard: it has no {LEDGER}") from error
        return cls.decode(data, f"{folder}/{LEDGER}")

    def write(self, path: Path) -> None:
        """Replace the file at `path` in one step, on disk before this returns."""
        write_atomic(path, self.encoded)

    def find_damage(self, feature_dir: Path) -> str | None:
        """Find a file that the ledger names and that is missing or has another size, and say which; None if sound.

        Only sizes are compared (`affectstore verify` reads everything).
        """
        folder = feature_dir / self.data
        for name, size in self.files.items():
            try:
                found = (folder / name).stat().st_size
            except OSError:
                return f"{folder / name} is missing"
            if found != size:
                return f"{folder / name} has {found} bytes instead of {size}"
        return None if (folder / LEDGER).is_file() else f"{folder / LEDGER} is missing"


def check_relative(name: str) -> str:
    """Return a file name, if it stays inside the folder it is relative to.

    Raises:
        ValueError: It does not.
    """
    if not name or name.startswith("/") or ".." in name.split("/") or "\\" in name:
        raise ValueError(f"file name {name!r} leaves its folder")
    return name
