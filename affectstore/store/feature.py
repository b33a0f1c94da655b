"""Reader of one published feature."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from affectstore.errors import AbsentError, IntegrityError, StoreError, did_you_mean
from affectstore.store.clip_arrays import ClipArrays, pad_batch
from affectstore.store.containers.reader import Rows
from affectstore.store.folders import Folder
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.ledger import ClipEntry, Ledger
from affectstore.store.paths import LEDGER
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec
from affectstore.store.statistics import Statistics, column_statistics
from affectstore.timeline import Grid, grid_spans_ns, rows_overlapping, time_spans_ns


class Feature:
    """The clips of one feature, by clip id: `feature["1001_DFA_ANG_XX"]` is an array (row, ...).

    Reads belong to the snapshot that was published when the feature was opened, also after a newer one is published.

    Attributes:
        name: Name of the feature instance.
        catalog: The snapshot.
    """

    def __init__(self, folder: Folder, name: str, catalog: Catalog | None = None):
        self._folder, self.name = folder, name
        self.catalog = catalog or Catalog.read(folder)
        self._readers: dict[int, ShardReader] = {}
        self._values: dict[int, Rows] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers of a data loader open their own maps, on the same snapshot.
        return Feature, (self._folder, self.name, self.catalog)

    def __repr__(self) -> str:
        dims = ", ".join([self.spec.dims[0], *map(str, self.spec.shape)])
        return f"<Feature {self.name!r}: {len(self)} clips of ({dims}) {self.spec.dtype}, {self.spec.unit}>"

    @property
    def specs(self) -> Mapping[str, ArraySpec]:
        """Specs of the arrays of each clip, by name."""
        return {spec.name: spec for spec in self.catalog.arrays}

    @property
    def spec(self) -> ArraySpec:
        """Spec of the array `values`: dtype, axis names, unit, column names."""
        return self.catalog.arrays[0]

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Provenance: extractor, options, digests."""
        return self.catalog.attributes

    @property
    def clip_ids(self) -> tuple[str, ...]:
        """Clips that have arrays, in stored order."""
        return tuple(self._where)

    @cached_property
    def status(self) -> pd.DataFrame:
        """One row per clip, failed clips among them: clip_id, status, reason, rows."""
        entries = [entry for shard in range(len(self.catalog.shards)) for entry in self._ledger(shard).clips]
        types = {"clip_id": "string", "status": "string", "reason": "string", "rows": "int64"}
        return pd.DataFrame({name: [getattr(entry, name) for entry in entries] for name in types}).astype(types)

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __getitem__(self, clip_id: str) -> np.ndarray:
        """Read `values` of a clip, read-only: mapped memory if the feature is stored uncompressed.

        Raises:
            AbsentError: The clip is not known, or has no arrays; the message states the reason.
        """
        place = self._where.get(clip_id)
        if place is None:
            raise self._absent(clip_id)
        shard, first, last = place
        values = self._values.get(shard)
        if values is None:
            values = self._values[shard] = self._reader(shard).array("values")
        return values[first:last]

    def take(self, clip_id: str, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read some rows of `values` of a clip; of JPEG images only these are decoded.

        Args:
            clip_id: Id of the clip.
            rows: Row numbers of the clip, from 0, in any order.

        Raises:
            AbsentError: The clip is not known, or has no arrays.
            IndexError: The clip has no such row.
        """
        shard, first, last = self._place(clip_id)
        if not self.spec.is_variable_length:
            return self[clip_id][np.asarray(rows, dtype=np.int64)]
        beyond = [int(row) for row in rows if not 0 <= row < last - first]
        if beyond:
            raise IndexError(f"clip {clip_id!r} has {last - first} rows of {self.name!r}, asked for row {beyond[0]}")
        values = self._reader(shard).array("values")
        taken = np.empty((len(rows), *self.spec.shape), dtype=self.spec.numpy_dtype)
        for index, row in enumerate(rows):
            taken[index] = values[first + int(row) : first + int(row) + 1][0]
        return taken

    def rows(self, clip_id: str) -> int:
        """Number of rows of a clip."""
        _, first, last = self._place(clip_id)
        return last - first

    def array(self, clip_id: str, name: str) -> np.ndarray:
        """Read one array of a clip, read-only.

        Raises:
            AbsentError: There is no such clip or array.
        """
        shard, _, _ = self._place(clip_id)
        if name not in self.specs:
            raise AbsentError(f"feature {self.name!r} has no array {name!r}; {did_you_mean(name, self.specs)}")
        reader = self._reader(shard)
        return reader.array(name)[reader.rows(clip_id, name)]

    def arrays(self, clip_id: str) -> ClipArrays:
        """Open all arrays of a clip, and its grid."""
        return self._reader(self._place(clip_id)[0]).arrays(clip_id)

    def grid(self, clip_id: str) -> Grid | None:
        """Start and rate of a clip's rows; None if each row has its time in the array `times`."""
        return self._reader(self._place(clip_id)[0]).grid(clip_id)

    def spans_ns(self, clip_id: str) -> np.ndarray:
        """Begin and end of each row of a clip, in nanoseconds of the clip's time: int64 (row, 2).

        Raises:
            AbsentError: The clip is not known, or has no arrays.
            StoreError: The times of its rows are not known (words of a transcript without times).
        """
        grid = self.grid(clip_id)
        if grid is not None:
            return grid_spans_ns(grid, self.rows(clip_id))
        ends = self.array(clip_id, "ends") if "ends" in self.specs else None
        try:
            return time_spans_ns(self.array(clip_id, "times"), ends)  # without a grid every feature has times
        except ValueError as error:
            raise StoreError(f"{self.name!r} of clip {clip_id!r}: {error}") from None

    def spans_s(self, clip_id: str) -> np.ndarray:
        """Begin and end of each row of a clip, in seconds: float64 (row, 2)."""
        return self.spans_ns(clip_id) / 1e9

    def statistics(self, clip_ids: Iterable[str]) -> Statistics:
        """Compute mean and standard deviation of each column over the rows of some clips, for z-normalisation.

        Raises:
            AbsentError: One of the clips is not known, or has no arrays.
            StoreError: There are no clips, or the feature holds no numbers.
        """
        return column_statistics(self, clip_ids)

    def at(self, clip_id: str, start_s: float | Fraction, end_s: float | Fraction) -> np.ndarray:
        """Read `values` of the rows whose spans overlap [start_s, end_s).

        Args:
            clip_id: Id of the clip.
            start_s, end_s: Seconds; a float within a nanosecond of a row's border means the border, which most floats
                (0.7, 1 / 24) cannot express exactly.

        Raises:
            AbsentError: The clip is not known, or has no arrays.
            StoreError: The times of its rows are not known.
            ValueError: The span ends before it begins.
        """
        shard, first, last = self._place(clip_id)
        if end_s < start_s:
            raise ValueError(f"the span [{start_s}, {end_s}) s ends before it begins")
        grid = self.grid(clip_id)
        if grid is not None:
            rows = grid.rows_between(_at_border(start_s, grid), _at_border(end_s, grid), last - first)
        elif "ends" in self.specs:
            spans = self.spans_s(clip_id)
            touched = np.flatnonzero((spans[:, 1] > float(start_s)) & (spans[:, 0] < float(end_s)))
            rows = slice(touched[0], touched[-1] + 1) if len(touched) else slice(0, 0)
        else:
            rows = rows_overlapping(self.array(clip_id, "times"), start_s, end_s)
        return self._reader(shard).array("values")[first + rows.start : first + rows.stop]

    def batch(self, clip_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Read `values` of several clips, padded with zeros (empty text) behind their ends.

        Returns:
            values (clip, row, ...) of the feature's dtype, and mask (clip, row) bool, True on real rows.

        Raises:
            AbsentError: One of the clips is not known, or has no arrays.
        """
        return pad_batch([self[clip_id] for clip_id in clip_ids], self.spec)

    def entry(self, clip_id: str) -> ClipEntry:
        """Entry of the ledger for a clip, failed or not: key, status, reason, rows, digest.

        Raises:
            AbsentError: The feature does not know the clip.
        """
        for shard in range(len(self.catalog.shards)):
            for entry in self._ledger(shard).clips:
                if entry.clip_id == clip_id:
                    return entry
        raise self._absent(clip_id)

    @cached_property
    def _where(self) -> dict[str, tuple[int, int, int]]:
        """Shard, first row and end of every clip that has arrays."""
        where: dict[str, tuple[int, int, int]] = {}
        for shard in range(len(self.catalog.shards)):
            first = 0
            for entry in self._ledger(shard).clips:
                if entry.status == "ok":
                    where[entry.clip_id] = (shard, first, first + entry.rows)
                    first += entry.rows
        return where

    def _place(self, clip_id: str) -> tuple[int, int, int]:
        place = self._where.get(clip_id)
        if place is None:
            raise self._absent(clip_id)
        return place

    def _absent(self, clip_id: str) -> AbsentError:
        row = self.status.loc[self.status["clip_id"] == clip_id]
        if len(row):
            status, reason = row["status"].iloc[0].replace("_", " "), row["reason"].iloc[0]
            return AbsentError(f"clip {clip_id!r} has no {self.name!r}: {status}: {reason}")
        known = did_you_mean(clip_id, self.status["clip_id"])
        return AbsentError(f"feature {self.name!r} has no clip {clip_id!r}; {known}")

    def _ledger(self, shard: int) -> Ledger:
        """Read the ledger that the snapshot names: the copy beside the data, which nothing replaces."""
        named = self.catalog.shards[shard]
        folder = self._folder.child(named.data)
        try:
            data = folder.read(LEDGER)
        except FileNotFoundError:
            raise IntegrityError(
                f"{folder} is gone, and this snapshot of {self.name!r} names it; open the store again, "
                "or extract the feature again if that does not help"
            ) from None
        ledger = Ledger.decode(data, f"{folder}/{LEDGER}")
        if ledger.digest != named.ledger:
            raise IntegrityError(f"{folder}/{LEDGER} is not the ledger that the catalog names")
        return ledger

    def _reader(self, shard: int) -> ShardReader:
        reader = self._readers.get(shard)
        if reader is None:
            while len(self._readers) >= _MOST_OPEN:
                oldest = next(iter(self._readers))
                del self._readers[oldest]
                self._values.pop(oldest, None)
            folder = self._folder.child(self.catalog.shards[shard].data)
            reader = self._readers[shard] = ShardReader(folder, self._ledger(shard))
        return reader


def _most_open() -> int:
    """Number of shards that stay open: before Python 3.13 each map holds a file handle, of which there are few."""
    if sys.version_info >= (3, 13):
        return sys.maxsize
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if soft == resource.RLIM_INFINITY else max(32, min(soft // 8, 4096))


_MOST_OPEN = _most_open()


def _at_border(time_s: float | Fraction, grid: Grid) -> Fraction:
    """Time of the row border that a float means, or the time itself if there is none within a nanosecond."""
    exact = Fraction(float(time_s)) if not isinstance(time_s, Fraction) else time_s
    border = grid.edge(round((exact - grid.start) * grid.rate))
    return border if not isinstance(time_s, Fraction) and abs(border - exact) * 10**9 < 1 else exact
