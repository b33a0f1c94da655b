"""One shard, read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from affectstore.errors import StoreError
from affectstore.store.clip_arrays import ClipArrays, StoredArrays
from affectstore.store.encoded import Encoded
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.index_arrays import edges, grid_of, row_offsets_name
from affectstore.store.layout import LEDGER
from affectstore.store.ledger import ClipEntry, Ledger
from affectstore.store.reading import Container, Rows
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid


class ShardReader:
    """The clips of one data folder.

    Args:
        folder: the data folder (`.../shards/0003-5f0c...`).
        ledger: what is in it, where that was read already; otherwise its own copy is read.

    Raises:
        StoreError: there is no such folder, or it has another format.
        IntegrityError: its description is damaged.
    """

    def __init__(self, folder: Path | Folder, ledger: Ledger | None = None):
        self.folder: Folder = LocalFolder(folder) if isinstance(folder, Path) else folder
        self.ledger = ledger or read_ledger_copy(self.folder)
        self.clip_ids: tuple[str, ...] = tuple(entry.clip_id for entry in self.ledger.clips)
        self._rows: dict[str, Rows] = {}
        self._stored: dict[str, Rows] = {}

    @cached_property
    def container(self) -> Container:
        """The data folder's own reader."""
        if self.ledger.container == "hdf5":
            from affectstore.store.hdf5_reading import Hdf5Container

            return Hdf5Container(self.folder, self.ledger)
        from affectstore.store.zarr_reading import ZarrContainer

        return ZarrContainer(self.folder, self.ledger)

    @property
    def specs(self) -> Mapping[str, ArraySpec]:
        """The arrays, by name."""
        return self.container.specs

    @cached_property
    def entries(self) -> Mapping[str, ClipEntry]:
        """What the ledger says of each clip, by clip id."""
        return {entry.clip_id: entry for entry in self.ledger.clips}

    @cached_property
    def edges(self) -> np.ndarray:
        """int64 (clip + 1,): where each clip's rows begin, and where the last one's end."""
        return edges([entry.rows for entry in self.ledger.clips])

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {clip_id: position for position, clip_id in enumerate(self.clip_ids)}

    @cached_property
    def _clip_edges(self) -> np.ndarray:
        """int64 (clip + 1,): the same for arrays that have one row a clip."""
        return edges([int(entry.status == "ok") for entry in self.ledger.clips])

    def rows(self, clip_id: str, name: str = "values") -> slice:
        """Which rows of an array are the clip's.

        Raises:
            StoreError: the shard does not hold the clip.
        """
        position = self._position(clip_id)
        # The declaration of `values` is not looked at: it is always per row, and this is on the reader's fast path.
        cuts = self.edges if name == "values" or self.specs[name].per == "row" else self._clip_edges
        return slice(int(cuts[position]), int(cuts[position + 1]))

    def array(self, name: str) -> Rows:
        """All clips' rows of an array, by slice; mapped memory where the array is not compressed."""
        if name not in self._rows:
            if name not in self.specs:
                raise StoreError(f"{self.folder} has no array {name!r}; known: {', '.join(self.specs)}")
            self._rows[name] = self.container.rows(name)
        return self._rows[name]

    def arrays(self, clip_id: str) -> ClipArrays:
        """All arrays of a clip, read only, each read when it is asked for.

        Raises:
            StoreError: the shard does not hold the clip, or the clip has no arrays (failed).
        """
        entry, rows = self.entry(clip_id), self.rows(clip_id)
        if entry.status != "ok":
            raise StoreError(f"clip {clip_id!r} has no arrays in {self.folder}: {entry.status}, {entry.reason}")
        stored = StoredArrays(
            tuple(self.specs), rows.stop - rows.start, lambda name: self.array(name)[self.rows(clip_id, name)]
        )
        return ClipArrays(stored, self.grid(clip_id))

    def grid(self, clip_id: str) -> Grid | None:
        """Start and rate of the clip's rows, or None where their times are in the array `times`."""
        position = self._position(clip_id)
        return grid_of(self.container.index("start")[position], self.container.index("rate")[position])

    def entry(self, clip_id: str) -> ClipEntry:
        """What the ledger says of a clip.

        Raises:
            StoreError: the shard does not hold the clip.
        """
        self._position(clip_id)
        return self.entries[clip_id]

    def encoded(self, clip_id: str) -> list[Encoded]:
        """A clip's arrays in stored form, in the order of `specs`, pictures and text not decoded."""
        return [self._encoded(spec, self.rows(clip_id, spec.name)) for spec in self.specs.values()]

    def _encoded(self, spec: ArraySpec, rows: slice) -> Encoded:
        if spec.name not in self._stored:
            self._stored[spec.name] = self.container.stored(spec.name)
        stored = self._stored[spec.name]
        if not spec.joins_bytes:
            return Encoded(stored[rows])
        cuts = self.container.index(row_offsets_name(spec.name))[rows.start : rows.stop + 1]
        return Encoded(stored[int(cuts[0]) : int(cuts[-1])], np.diff(cuts))

    def _position(self, clip_id: str) -> int:
        try:
            return self._positions[clip_id]
        except KeyError:
            known = f"it has {len(self.clip_ids)} others"
            raise StoreError(f"{self.folder} does not hold clip {clip_id!r}; {known}") from None


def read_ledger_copy(folder: Folder) -> Ledger:
    """The ledger that lies in a data folder itself.

    Raises:
        StoreError: there is none, or it has another format.
        IntegrityError: it is damaged.
    """
    try:
        data = folder.read(LEDGER)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(f"{folder} is not the data folder of a shard: it has no {LEDGER}") from error
    return Ledger.decode(data, f"{folder}/{LEDGER}")
