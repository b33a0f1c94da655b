"""One driver at a time, and none before the jobs of a killed one have ended."""

from __future__ import annotations

import fcntl
import os
import platform
import sys
import time
from pathlib import Path
from typing import IO

from affectstore.errors import AffectstoreError

_DRIVER = Path("results/.driver.lock")
_JOBS = Path("results/.jobs.lock")
_RUN = "AFFECTSTORE_RUN"  # tells a job which driver started it
_held: list[IO[str]] = []  # kept open for the life of the process: closing a file gives its lock back


def lock_driver() -> None:
    """Become the one driver of this working folder, for the life of the process.

    Raises:
        AffectstoreError: another driver is at work here.
    """
    if any(file.name == str(_DRIVER.resolve()) for file in _held):
        return
    _DRIVER.parent.mkdir(parents=True, exist_ok=True)
    file = open(_DRIVER.resolve(), "a+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise AffectstoreError(
            f"another run is at work in {Path.cwd()} ({file.read().partition(';')[0] or 'unknown process'}); "
            "wait for it, or stop it"
        ) from None
    file.truncate(0)
    os.environ[_RUN] = f"process {os.getpid()} on {platform.node()}; {time.time_ns()}; {Path.cwd()}"
    file.write(os.environ[_RUN])
    file.flush()
    _held.append(file)
    _wait_for_orphans()


def lock_job() -> None:
    """Say, for the life of the process, that a job is writing here.

    Raises:
        AffectstoreError: the driver that started this job was killed, and another one is at work already: it
            did not wait, since this job had not come this far.
    """
    _JOBS.parent.mkdir(parents=True, exist_ok=True)
    file = open(_JOBS.resolve(), "a")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_SH)
    _held.append(file)
    mine = os.environ.get(_RUN, "")
    if mine.endswith(f"; {Path.cwd()}") and _DRIVER.exists() and _DRIVER.read_text() != mine:
        raise AffectstoreError(f"the run that started this job is gone ({mine.partition(';')[0]}); another one goes on")


def _wait_for_orphans() -> None:
    """A killed driver leaves its jobs running; two writers on one result must never meet."""
    with open(_JOBS.resolve(), "a") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if not told:
                    print("waiting for the jobs of an earlier, killed run to end ...", file=sys.stderr, flush=True)
                    told = True
                time.sleep(0.5)
