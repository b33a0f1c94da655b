"""Batches, read one ahead of what takes them where clips are not on the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from affectstore.models.data.batch import Batch, make_batch
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.recipe import Recipe

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


def made(make: Callable[[Place], T], places: Iterable[Place], clips: ClipSet, device: torch.device) -> Iterator[T]:
    """What `make` gives of each place, in order; read ahead where the clips are in memory and the device is a GPU."""
    ahead = device.type == "cuda" and clips.labels.device.type != "cuda"
    yield from read_ahead(make, places) if ahead else map(make, places)


def all_batches(
    clips: ClipSet, recipe: Recipe, scales: Mapping[str, Scale], batch_size: int, device: torch.device
) -> Iterator[Batch]:
    """All clips in their order, as they are stored: batches of `batch_size`, the last one of those that are left."""

    def make(start: int) -> Batch:
        return make_batch(clips, range(start, min(start + batch_size, len(clips))), recipe, scales, device)

    return made(make, range(0, len(clips), batch_size), clips, device)
