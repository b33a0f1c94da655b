"""The arrays of one data folder, whichever container holds them."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from affectstore.store.encoded import decode_rows
from affectstore.store.folders import Folder
from affectstore.store.index_arrays import row_offsets_name
from affectstore.store.ledger import Ledger
from affectstore.store.spec import ArraySpec


class Rows(Protocol):
    """Anything that gives rows by slice: a mapped array, a zarr array, pictures or strings decoded as asked for."""

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class Container(abc.ABC):
    """A data folder opened for reading.

    Attributes:
        specs: of the arrays that join the clips, by name, `values` first.
        attributes: of the shard.
    """

    specs: Mapping[str, ArraySpec]
    attributes: Mapping[str, Any]

    def __init__(self, folder: Folder, ledger: Ledger):
        self.folder, self.ledger = folder, ledger
        self._index: dict[str, np.ndarray] = {}

    @abc.abstractmethod
    def stored(self, name: str) -> Rows:
        """An array in stored form, by steps along its stored first axis."""

    @abc.abstractmethod
    def read_index(self, name: str) -> np.ndarray:
        """One of the small arrays, whole.

        Raises:
            IntegrityError: its checksum does not fit.
        """

    @abc.abstractmethod
    def damage(self, index: Mapping[str, np.ndarray]) -> list[str]:
        """What is wrong with the bytes that no clip's digest covers.

        Args:
            index: the small arrays as they should be.
        """

    def index(self, name: str) -> np.ndarray:
        """One of the small arrays, read once."""
        if name not in self._index:
            self._index[name] = self.read_index(name)
        return self._index[name]

    def rows(self, name: str) -> Rows:
        """An array as readers see it."""
        spec = self.specs[name]
        if not spec.joins_bytes:
            return self.stored(name)
        return DecodedRows(spec, self.stored(name), self.index(row_offsets_name(name)))


class DecodedRows:
    """Pictures or strings that are decoded as they are asked for."""

    def __init__(self, spec: ArraySpec, data: Rows, edges: np.ndarray):
        self._spec, self._data, self._edges = spec, data, edges

    def __getitem__(self, rows: slice) -> np.ndarray:
        """(row, *shape) of the spec's dtype."""
        first, last, _ = rows.indices(len(self._edges) - 1)
        cuts = self._edges[first : max(first, last) + 1]
        decoded = decode_rows(self._spec, self._data[int(cuts[0]) : int(cuts[-1])], cuts - cuts[0])
        decoded.flags.writeable = False
        return decoded
