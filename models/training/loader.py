"""Batches of a subset: their order in training, and prefetching where clips are not on the GPU."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from affectstore.models.data.batch import Batch, BatchMaker
from affectstore.models.data.rng import RngStreams

T = TypeVar("T")
Item = TypeVar("Item")

_BUCKET = 8  # batches whose clips are sorted by length together


def bucketed_batches(
    clips: int, batch_size: int, seed: int, epoch: int, lengths: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Places of the clips of each batch of an epoch, in an order that follows from seed and epoch.

    A last batch of one clip joins the one before it: batch normalisation cannot use a single clip.

    Args:
        clips: Number of clips.
        batch_size: Clips of a batch.
        seed, epoch: Determine the order.
        lengths: Number of steps of each clip, where there are sequences: within every `_BUCKET` batches, clips of
            similar length then share a batch, so that little of it is padding.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(clips)
    if lengths is not None:
        window = _BUCKET * batch_size
        parts = [order[start : start + window] for start in range(0, clips, window)]
        order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    starts = list(range(0, clips, batch_size))
    if len(starts) > 1 and clips - starts[-1] == 1:
        starts.pop()
    spans = list(zip(starts, [*starts[1:], clips], strict=True))
    if lengths is not None:
        spans = [spans[k] for k in generator.permutation(len(spans))]
    for start, end in spans:
        yield order[start:end]


def training_batches(maker: BatchMaker, batch_size: int, rng: RngStreams) -> Iterator[Batch]:
    """Augmented batches of one epoch.

    Args:
        maker: Makes the batches of the training subset.
        batch_size: Clips of a batch.
        rng: Seed and epoch.
    """
    order = list(bucketed_batches(len(maker), batch_size, rng.seed, rng.epoch, maker.clips.lengths))

    def make(step: int) -> Batch:
        return maker.make(order[step], RngStreams(rng.seed, rng.epoch, step))

    if maker.is_normalised and maker.augment is None:
        # All at once: batches are copied in a third of the time when no network runs in between.
        return iter([make(step) for step in range(len(order))])
    return _map(make, range(len(order)), maker)


def evaluation_batches(maker: BatchMaker, batch_size: int) -> Iterator[Batch]:
    """All clips in their order, unchanged: batches of `batch_size`, the last one of the remaining clips."""

    def make(start: int) -> Batch:
        return maker.make(range(start, min(start + batch_size, len(maker))))

    return _map(make, range(0, len(maker), batch_size), maker)


def prefetch(make: Callable[[Item], T], items: Iterable[Item]) -> Iterator[T]:
    """Map items in order; a thread makes the next result while the current one is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = None
        for item in items:
            ready, coming = coming, thread.submit(make, item)
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()


def _map(make: Callable[[Item], T], items: Iterable[Item], maker: BatchMaker) -> Iterator[T]:
    """Map items in order; with prefetching where it saves time."""
    return prefetch(make, items) if maker.prefetched else map(make, items)
