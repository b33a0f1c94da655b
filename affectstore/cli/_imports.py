"""Importing large libraries at the start of a job."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imported_for_good() -> Iterator[None]:
    """What is imported inside stays to the end of the process, and the garbage collector leaves it alone.

    It would walk through all of it again and again, while it is imported and once more when the process ends: with
    torch, a quarter of the processor time of a job that trains for a second.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
