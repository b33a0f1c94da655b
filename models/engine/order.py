"""The order in which an epoch sees the clips, and which of them share a batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BUCKET = 8  # batches whose clips are sorted by length together


def batches(
    clips: int, batch_size: int, seed: int, epoch: int, lengths: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Places of the clips of each batch of an epoch, in an order that follows from seed and epoch.

    A last batch of one clip joins the one before it: batch normalisation cannot use a single clip.

    Args:
        clips: how many there are.
        batch_size: clips of a batch.
        seed, epoch: what the order follows from.
        lengths: steps of each clip, where there are sequences: of each run of `_BUCKET` batches, clips of like
            length then share a batch, so that little of it is padding.
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
