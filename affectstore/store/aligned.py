"""One feature on the time axis of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np

from affectstore.errors import StoreError
from affectstore.store.clip_arrays import pad_batch
from affectstore.store.feature import Feature
from affectstore.timeline import nearest_rows, rows_inside, rows_touched

By = Literal["nearest", "mean", "overlap"]


class Aligned:
    """The clips that two features share, one feature aligned to the rows of the other: `aligned[clip_id]`.

    - `nearest`: the row at the middle of the other's row; any dtype, words and images too.
    - `mean`: the mean of the rows whose middles are in the other's row (LLDs pooled per word).
    - `overlap`: the mean weighted by the duration for which each row overlaps the other's.

    If the other's row is before the first row or behind the last one, or between two of them, the nearest row is used:
    video and audio of a clip rarely end together.

    Args:
        feature: Feature that provides the values.
        to: Feature that provides the rows.
        by: Method.

    Raises:
        StoreError: `by` is none of the three, or the feature has no mean.
    """

    def __init__(self, feature: Feature, to: Feature, by: By = "nearest"):
        if by not in get_args(By):
            raise StoreError(f"align by {by!r}: known are {', '.join(get_args(By))}")
        if by != "nearest" and feature.spec.numpy_dtype.kind not in "fiu":
            raise StoreError(f"{feature.name!r} holds {feature.spec.dtype}, which has no mean: align it by nearest")
        self.feature, self.to, self.by = feature, to, by

    def __repr__(self) -> str:
        return f"<{self.feature.name!r} on the rows of {self.to.name!r} by {self.by}: {len(self)} clips>"

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Clips with both features."""
        return tuple(clip_id for clip_id in self.to.clip_ids if clip_id in self.feature)

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self.to and clip_id in self.feature

    def __iter__(self) -> Iterator[str]:
        return iter(self.clip_ids)

    def __getitem__(self, clip_id: str) -> np.ndarray:
        """Align a clip: (row of `to`, ...), of the feature's dtype by nearest, float32 (float64 of float64) otherwise.

        Raises:
            AbsentError: The clip is not known, or lacks one of the features.
            StoreError: The times of its rows are not known.
        """
        source, target = self.feature.spans_ns(clip_id), self.to.spans_ns(clip_id)
        if self.by == "nearest":
            rows = nearest_rows(source, target)
            needed, place = np.unique(rows, return_inverse=True)
            return self.feature.take(clip_id, needed)[place]
        values = self.feature[clip_id]
        out = np.empty((len(target), *values.shape[1:]), dtype=np.float64)
        if self.by == "mean":
            for row, (first, last) in enumerate(rows_inside(source, target).tolist()):
                values[first:last].mean(axis=0, dtype=np.float64, out=out[row])
        else:
            for row, ((first, last), weights) in enumerate(zip(*rows_touched(source, target), strict=True)):
                out[row] = np.tensordot(weights, values[first:last], axes=1)
        return out if values.dtype == np.float64 else out.astype(np.float32)

    def batch(self, clip_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Align several clips, padded with zeros behind their ends.

        Returns:
            values (clip, row, ...), and mask (clip, row) bool, True on real rows.

        Raises:
            AbsentError: One of the clips is not known, or lacks one of the features.
        """
        return pad_batch([self[clip_id] for clip_id in clip_ids], self.feature.spec)
