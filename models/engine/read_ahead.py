"""Batches read one ahead of the step that takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Place = TypeVar("Place")


def read_ahead(make: Callable[[Place], T], places: Iterable[Place]) -> Iterator[T]:
    """What `make` gives of each place, in order, made by a thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = None
        for place in places:
            ready, coming = coming, thread.submit(make, place)
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()
