"""Batches of a subset: their order in training, and prefetching where clips are not on the GPU."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch

from affectstore.config.training import Augmentation, Training
from affectstore.models.cells.recipe import Recipe
from affectstore.models.data.augment import Augmenter
from affectstore.models.data.batch import Batch, Scale, make_batch
from affectstore.models.data.dataset import ClipSet
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


def training_batches(
    clips: ClipSet,
    recipe: Recipe,
    scales: Mapping[str, Scale],
    settings: Training,
    device: torch.device,
    rng: RngStreams,
) -> Iterator[Batch]:
    """Augmented batches of one epoch.

    Args:
        clips: The training subset.
        recipe: Recipe of the network.
        scales: Modality -> normalisation.
        settings: Batch size and augmentation.
        device: Device of the batches.
        rng: Seed and epoch.
    """
    order = list(bucketed_batches(len(clips), settings.batch_size, rng.seed, rng.epoch, clips.lengths))
    augmented = settings.augment != Augmentation()

    def make(step: int) -> Batch:
        augmenter = Augmenter(settings.augment, RngStreams(rng.seed, rng.epoch, step)) if augmented else None
        return make_batch(clips, order[step], recipe, scales, device, augmenter)

    return _prefetched(make, range(len(order)), clips, device)


def evaluation_batches(
    clips: ClipSet, recipe: Recipe, scales: Mapping[str, Scale], batch_size: int, device: torch.device
) -> Iterator[Batch]:
    """All clips in their order, unchanged: batches of `batch_size`, the last one of the remaining clips."""

    def make(start: int) -> Batch:
        return make_batch(clips, range(start, min(start + batch_size, len(clips))), recipe, scales, device)

    return _prefetched(make, range(0, len(clips), batch_size), clips, device)


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


def _prefetched(make: Callable[[Item], T], items: Iterable[Item], clips: ClipSet, device: torch.device) -> Iterator[T]:
    """Map items in order; prefetch where the clips are in memory and the device is a GPU."""
    if device.type == "cuda" and clips.labels.device.type != "cuda":
        return prefetch(make, items)
    return map(make, items)
