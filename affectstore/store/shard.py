"""Reader of one shard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from affectstore.errors import StoreError
from affectstore.store.clip_arrays import ClipArrays, LazyArrays
from affectstore.store.containers.encoded_array import EncodedArray
from affectstore.store.containers.reader import ContainerReader, Rows
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.index.arrays import edges, grid_of, row_offsets_name
from affectstore.store.index.ledger import ClipEntry, Ledger
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid


class ShardReader:
    """The clips of one data folder.

    Args:
        folder: The data folder (`.../shards/003-5f0c...`).
        ledger: Its ledger, if that was read already; by default its own copy is read.

    Raises:
        StoreError: There is no such folder, or it has another format.
        IntegrityError: Its description is damaged.
    """

    def __init__(self, folder: Path | Folder, ledger: Ledger | None = None):
        self.folder: Folder = LocalFolder(folder) if isinstance(folder, Path) else folder
        self.ledger = ledger or Ledger.read_copy(self.folder)
        self.clip_ids: tuple[str, ...] = tuple(entry.clip_id for entry in self.ledger.clips)
        self._rows: dict[str, Rows] = {}
        self._stored: dict[str, Rows] = {}

    @cached_property
    def container(self) -> ContainerReader:
        """Reader of the container."""
        if self.ledger.container == "hdf5":
            from affectstore.store.containers.hdf5_reader import Hdf5Reader

            return Hdf5Reader(self.folder, self.ledger)
        from affectstore.store.containers.zarr_reader import ZarrReader

        return ZarrReader(self.folder, self.ledger)

    @property
    def specs(self) -> Mapping[str, ArraySpec]:
        """Specs of the arrays, by name."""
        return self.container.specs

    @cached_property
    def entries(self) -> Mapping[str, ClipEntry]:
        """Entries of the ledger, by clip id."""
        return {entry.clip_id: entry for entry in self.ledger.clips}

    @cached_property
    def edges(self) -> np.ndarray:
        """Begin of each clip's rows, and end of the last clip's: int64 (clip + 1,)."""
        return edges([entry.rows for entry in self.ledger.clips])

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {clip_id: position for position, clip_id in enumerate(self.clip_ids)}

    @cached_property
    def _clip_edges(self) -> np.ndarray:
        """Edges of the clips in arrays with one row per clip: int64 (clip + 1,)."""
        return edges([int(entry.status == "ok") for entry in self.ledger.clips])

    def rows(self, clip_id: str, name: str = "values") -> slice:
        """Find the rows of an array that belong to a clip.

        Raises:
            StoreError: The shard does not hold the clip.
        """
        position = self._position(clip_id)
        # The spec of `values` is not read: it always has rows, and this is on the reader's fast path.
        cuts = self.edges if name == "values" or self.specs[name].granularity == "row" else self._clip_edges
        return slice(int(cuts[position]), int(cuts[position + 1]))

    def array(self, name: str) -> Rows:
        """Open all clips' rows of an array: mapped memory unless the array is compressed."""
        if name not in self._rows:
            if name not in self.specs:
                raise StoreError(f"{self.folder} has no array {name!r}; known: {', '.join(self.specs)}")
            self._rows[name] = self.container.rows(name)
        return self._rows[name]

    def arrays(self, clip_id: str) -> ClipArrays:
        """Open all arrays of a clip, read-only, each read on access.

        Raises:
            StoreError: The shard does not hold the clip, or the clip has no arrays (failed).
        """
        entry, rows = self.entry(clip_id), self.rows(clip_id)
        if entry.status != "ok":
            raise StoreError(f"clip {clip_id!r} has no arrays in {self.folder}: {entry.status}, {entry.reason}")
        stored = LazyArrays(
            tuple(self.specs), rows.stop - rows.start, lambda name: self.array(name)[self.rows(clip_id, name)]
        )
        return ClipArrays(stored, self.grid(clip_id))

    def grid(self, clip_id: str) -> Grid | None:
        """Start and rate of the clip's rows, or None if their times are in the array `times`."""
        position = self._position(clip_id)
        return grid_of(self.container.index("start")[position], self.container.index("rate")[position])

    def entry(self, clip_id: str) -> ClipEntry:
        """Entry of the ledger for a clip.

        Raises:
            StoreError: The shard does not hold the clip.
        """
        self._position(clip_id)
        return self.entries[clip_id]

    def encoded(self, clip_id: str) -> list[EncodedArray]:
        """Read a clip's arrays in stored form, in the order of `specs`, images and text not decoded."""
        return [self._encoded(spec, self.rows(clip_id, spec.name)) for spec in self.specs.values()]

    def _encoded(self, spec: ArraySpec, rows: slice) -> EncodedArray:
        if spec.name not in self._stored:
            self._stored[spec.name] = self.container.stored(spec.name)
        stored = self._stored[spec.name]
        if not spec.is_variable_length:
            return EncodedArray(stored[rows])
        cuts = self.container.index(row_offsets_name(spec.name))[rows.start : rows.stop + 1]
        return EncodedArray(stored[int(cuts[0]) : int(cuts[-1])], np.diff(cuts))

    def _position(self, clip_id: str) -> int:
        try:
            return self._positions[clip_id]
        except KeyError:
            known = f"it has {len(self.clip_ids)} others"
            raise StoreError(f"{self.folder} does not hold clip {clip_id!r}; {known}") from None
