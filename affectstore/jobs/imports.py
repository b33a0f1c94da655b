"""Import of large libraries at the start of a job."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_imports() -> Iterator[None]:
    """Exempt everything that is imported inside from garbage collection.

    The collector would walk through all of it again and again, while it is imported and once more when the process
    ends: with torch, a quarter of the processor time of a job that trains for a second.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
