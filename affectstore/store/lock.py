"""One writer a shard."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from affectstore.errors import StoreError
from affectstore.store.layout import SHARDS, check_shard


class ShardBusyError(StoreError):
    """Another writer holds the shard."""


class ShardLock:
    """Exclusive right to write one shard; the kernel gives it back when the process dies.

    The lock file stays: unlinking it would let two processes hold locks on two files of one name.
    """

    def __init__(self, feature_dir: Path, shard: str):
        self.path = feature_dir / SHARDS / f".{check_shard(shard)}.lock"
        self._shard, self._feature = shard, feature_dir.name
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ShardBusyError: another writer holds it; the message says which.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise ShardBusyError(
                f"shard {self._shard!r} of feature {self._feature!r} is being written by {holder}; "
                "one shard has one writer: wait until it ends, or stop it"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> ShardLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
