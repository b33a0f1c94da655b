"""Folders on this machine or behind an fsspec address."""

from __future__ import annotations

import abc
import mmap
import sys
from pathlib import Path
from typing import Any

from affectstore.errors import IntegrityError

# From Python 3.13 on a map need not hold a file handle: a thousand shards would use them up.
_UNTRACKED: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}


class Folder(abc.ABC):
    """Read access to a folder."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """Address of the folder, for messages."""

    @abc.abstractmethod
    def child(self, name: str) -> Folder:
        """Name a folder in this folder."""

    @abc.abstractmethod
    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            FileNotFoundError: There is none.
        """

    @abc.abstractmethod
    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Read the bytes [start, end) of a file."""

    @abc.abstractmethod
    def size(self, name: str) -> int:
        """Size of a file in bytes."""

    @abc.abstractmethod
    def has(self, name: str) -> bool:
        """True if there is such a file."""

    @abc.abstractmethod
    def folders(self) -> list[str]:
        """List the folders in this folder, sorted; none if it is missing."""

    @abc.abstractmethod
    def names(self) -> list[str]:
        """List the files in this folder, newest first; none if it is missing."""

    @abc.abstractmethod
    def zarr_store(self) -> Any:
        """Open the folder as a store of zarr-python."""


class LocalFolder(Folder):
    """A folder on this machine."""

    def __init__(self, root: Path):
        self.root = root

    def __str__(self) -> str:
        return str(self.root)

    def child(self, name: str) -> LocalFolder:
        return LocalFolder(self.root / name)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def read_range(self, name: str, start: int, end: int) -> bytes:
        with open(self.root / name, "rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def folders(self) -> list[str]:
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def names(self) -> list[str]:
        if not self.root.is_dir():
            return []
        files = [path for path in self.root.iterdir() if path.is_file()]
        return [path.name for path in sorted(files, key=lambda path: (-path.stat().st_mtime_ns, path.name))]

    def map(self, name: str) -> mmap.mmap:
        """Map a file into memory, read-only."""
        with open(self.root / name, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ, **_UNTRACKED)

    def zarr_store(self) -> Any:
        from zarr.storage import LocalStore

        return LocalStore(self.root, read_only=True)


class RemoteFolder(Folder):
    """A folder behind an fsspec file system."""

    def __init__(self, fs: Any, root: str, address: str):
        self._fs, self._root, self._address = fs, root.rstrip("/"), address.rstrip("/")

    @classmethod
    def from_url(cls, url: str) -> RemoteFolder:
        """Open the folder at an address such as `zip://store/crema-d::/data/store.zip`."""
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
        return cls(fs, root, url)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if self._root else name

    def __str__(self) -> str:
        return self._address

    def child(self, name: str) -> RemoteFolder:
        first, *chained = self._address.split("::")
        return RemoteFolder(self._fs, self._path(name), "::".join([f"{first.rstrip('/')}/{name}", *chained]))

    def read(self, name: str) -> bytes:
        return self._fs.cat_file(self._path(name))

    def read_range(self, name: str, start: int, end: int) -> bytes:
        data = self._fs.cat_file(self._path(name), start=start, end=end)
        # Some web servers do not know ranges and send the whole file.
        data = data[start:end] if len(data) > end - start else data
        if len(data) != end - start:
            raise IntegrityError(f"{self}/{name} gave {len(data)} bytes instead of the {end - start} from {start} on")
        return data

    def size(self, name: str) -> int:
        return int(self._fs.size(self._path(name)))

    def has(self, name: str) -> bool:
        return bool(self._fs.isfile(self._path(name)))

    def folders(self) -> list[str]:
        return sorted(_base(entry) for entry in self._entries() if entry["type"] == "directory")

    def names(self) -> list[str]:
        entries = [entry for entry in self._entries() if entry["type"] == "file"]
        return [_base(entry) for entry in sorted(entries, key=_changed, reverse=True)]

    def _entries(self) -> list[dict[str, Any]]:
        try:
            return self._fs.ls(self._root, detail=True)
        except FileNotFoundError:
            return []

    def zarr_store(self) -> Any:
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
        from zarr.storage import FsspecStore

        if self._fs.async_impl:
            return FsspecStore.from_url(self._address, read_only=True)
        return FsspecStore(AsyncFileSystemWrapper(self._fs, asynchronous=True), read_only=True, path=self._root)


def _base(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _changed(entry: dict[str, Any]) -> str:
    # File systems name and type this differently; only the order within one of them matters.
    for field in ("mtime", "LastModified", "created", "date_time"):
        if entry.get(field) is not None:
            value = entry[field]
            if isinstance(value, tuple):
                return "-".join(f"{part:04d}" for part in value)
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return ""
