"""Locks between processes: one driver per working folder, one writer per shard, no driver beside orphaned jobs."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from affectstore.errors import AffectstoreError
from affectstore.paths import RESULTS

_RUN = "AFFECTSTORE_RUN"  # names to a job the driver that started it
_held: list[FileLock] = []  # kept for the life of the process: closing a file releases its lock


class FileLock:
    """Advisory lock on a file; the kernel releases it when the process dies.

    The file stays: unlinking it would let two processes hold locks on two files of one name.

    Args:
        path: The lock file; made if missing.
        busy: Makes the error to raise from the text that the holder left in the file.
    """

    def __init__(self, path: Path, busy: Callable[[str], AffectstoreError] = AffectstoreError) -> None:
        self.path, self._busy = path, busy
        self._handle: int | None = None

    def acquire(self, holder: str | None = None, *, shared: bool = False, wait: bool = False) -> None:
        """Take the lock.

        Args:
            holder: Text that an exclusive holder leaves in the file; by default its process and machine.
            shared: Take it beside other shared holders, leaving the text as it is.
            wait: Wait until it is free, instead of raising.

        Raises:
            AffectstoreError: The error of `busy`, if another process holds the lock.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            text = os.read(handle, 4096).decode(errors="replace").strip()
            os.close(handle)
            raise self._busy(text) from None
        if not shared:
            os.ftruncate(handle, 0)
            os.pwrite(handle, (process_text() if holder is None else holder).encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Release the lock; harmless if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def process_text() -> str:
    """Name this process and its machine."""
    return f"process {os.getpid()} on {platform.node()}"


def lock_driver() -> None:
    """Become the one driver of this working folder, for the life of the process.

    Raises:
        AffectstoreError: Another driver is at work here.
    """
    lock = FileLock(
        RESULTS.driver_lock.resolve(),
        lambda holder: AffectstoreError(
            f"another run is at work in {Path.cwd()} ({holder.partition(';')[0] or 'unknown process'}); "
            "wait for it, or stop it"
        ),
    )
    if any(held.path == lock.path for held in _held):
        return
    lock.path.parent.mkdir(parents=True, exist_ok=True)
    run = f"{process_text()}; {time.time_ns()}; {Path.cwd()}"
    lock.acquire(run)
    os.environ[_RUN] = run
    _held.append(lock)
    _wait_for_orphans()


def lock_job() -> None:
    """Declare, for the life of the process, that a job is writing here.

    Raises:
        AffectstoreError: The driver that started this job was killed, and another one is at work already: it
            did not wait, since this job had not come this far.
    """
    RESULTS.jobs_lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(RESULTS.jobs_lock.resolve())
    lock.acquire(shared=True, wait=True)
    _held.append(lock)
    own = os.environ.get(_RUN, "")
    if own.endswith(f"; {Path.cwd()}") and RESULTS.driver_lock.exists() and RESULTS.driver_lock.read_text() != own:
        raise AffectstoreError(f"the run that started this job is gone ({own.partition(';')[0]}); another one goes on")


def _wait_for_orphans() -> None:
    """Wait for the jobs that a killed driver left running: two writers of one result must never meet."""
    announced, lock = False, FileLock(RESULTS.jobs_lock.resolve())
    while True:
        try:
            lock.acquire(holder="")
            lock.release()
            return
        except AffectstoreError:
            if not announced:
                print("waiting for the jobs of an earlier, killed run to end ...", file=sys.stderr, flush=True)
                announced = True
            time.sleep(0.5)
