"""Reader of HDF5 data folders: contiguous datasets are mapped through their offset in the file."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping

import numpy as np

from affectstore.errors import IntegrityError
from affectstore.store.containers.reader import ContainerReader, Rows
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import HDF5_FILE
from affectstore.store.spec import ArraySpec


class Hdf5Reader(ContainerReader):
    """A shard as one HDF5 file.

    A remote file is fetched whole. No handle stays open: HDF5 has one lock per process, and a memory map needs none.
    """

    def __init__(self, folder: Folder, ledger: Ledger):
        import h5py

        super().__init__(folder, ledger)
        self._remote = b"" if isinstance(folder, LocalFolder) else folder.read(HDF5_FILE)
        source = folder.root / HDF5_FILE if isinstance(folder, LocalFolder) else io.BytesIO(self._remote)
        self._places: dict[str, tuple[int | None, tuple[int, ...], np.dtype]] = {}
        try:
            with h5py.File(source) as file:
                for name in file:
                    dataset = file[name]
                    self._places[name] = (dataset.id.get_offset(), dataset.shape, dataset.dtype)
        except (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
            # h5py fails in any of these ways where the bytes are damaged
            raise IntegrityError(f"{folder}/{HDF5_FILE} cannot be opened: {error}") from error
        try:
            described = json.loads(self.index("metadata").tobytes())
            self.attributes = described["attributes"]
            self.specs = {spec["name"]: ArraySpec.from_json(spec) for spec in described["arrays"]}
        except (ValueError, KeyError) as error:
            raise IntegrityError(f"{folder}/{HDF5_FILE} has no usable description: {error}") from error

    def stored(self, name: str) -> Rows:
        """Open an array in stored form, without a copy for a file on this machine."""
        return self._array(name)

    def read_index(self, name: str) -> np.ndarray:
        """Read an index array; HDF5 keeps no checksum of it, `verify` compares it with the ledger."""
        return self._array(name)

    def find_problems(self, index: Mapping[str, np.ndarray]) -> list[str]:
        """List the datasets that are missing, and those that do not belong there."""
        expected = {*index, *self.specs, "metadata"}
        return [f"{self.folder}/{HDF5_FILE}: dataset {name!r}" for name in sorted(expected ^ self._places.keys())]

    def _array(self, name: str) -> np.ndarray:
        offset, shape, dtype = self._places[name]
        size = math.prod(shape)
        if not size:
            return np.empty(shape, dtype)
        if offset is None:
            raise IntegrityError(f"{self.folder}/{HDF5_FILE}: dataset {name!r} is not contiguous")
        memory = self.folder.map(HDF5_FILE) if isinstance(self.folder, LocalFolder) else self._remote
        if offset + size * dtype.itemsize > len(memory):
            raise IntegrityError(f"{self.folder}/{HDF5_FILE} ends within dataset {name!r}")
        return np.frombuffer(memory, dtype, size, offset).reshape(shape)
