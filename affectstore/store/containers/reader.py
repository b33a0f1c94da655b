"""Base class of the readers of a data folder, whichever container it is."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from affectstore.store.containers.encoded_array import decode_rows
from affectstore.store.folders import Folder
from affectstore.store.index.arrays import row_offsets_name
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec


class Rows(Protocol):
    """Rows by slice: a mapped array, a Zarr array, or images and strings that are decoded on access."""

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class ContainerReader(abc.ABC):
    """A data folder opened for reading.

    Attributes:
        specs: Arrays that join the clips, by name, `values` first.
        attributes: Attributes of the shard.
    """

    specs: Mapping[str, ArraySpec]
    attributes: Mapping[str, Any]

    def __init__(self, folder: Folder, ledger: Ledger):
        self.folder, self.ledger = folder, ledger
        self._index: dict[str, np.ndarray] = {}

    @abc.abstractmethod
    def stored(self, name: str) -> Rows:
        """Open an array in stored form, sliced along its stored first axis."""

    @abc.abstractmethod
    def read_index(self, name: str) -> np.ndarray:
        """Read an index array.

        Raises:
            IntegrityError: Its checksum does not fit.
        """

    @abc.abstractmethod
    def find_problems(self, index: Mapping[str, np.ndarray]) -> list[str]:
        """Check the bytes that no clip's digest covers, and describe each damage.

        Args:
            index: Index arrays as they should be.
        """

    def index(self, name: str) -> np.ndarray:
        """An index array, read once."""
        if name not in self._index:
            self._index[name] = self.read_index(name)
        return self._index[name]

    def rows(self, name: str) -> Rows:
        """Open an array as readers see it."""
        spec = self.specs[name]
        if not spec.is_variable_length:
            return self.stored(name)
        return DecodedRows(spec, self.stored(name), self.index(row_offsets_name(name)))


class DecodedRows:
    """JPEG images or strings, decoded on access."""

    def __init__(self, spec: ArraySpec, data: Rows, edges: np.ndarray):
        self._spec, self._data, self._edges = spec, data, edges

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Decode rows: (row, *shape) of the spec's dtype."""
        first, last, _ = rows.indices(len(self._edges) - 1)
        cuts = self._edges[first : max(first, last) + 1]
        decoded = decode_rows(self._spec, self._data[int(cuts[0]) : int(cuts[-1])], cuts - cuts[0])
        decoded.flags.writeable = False
        return decoded
