"""Writer of HDF5 data folders: one shard becomes one file of contiguous datasets; a virtual file joins the shards.

HDF5 needs the length of a contiguous dataset when it is made, so rows go to plain files first and are copied block by
block at the end: twice the writing, in memory that one clip bounds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from affectstore.errors import StoreError
from affectstore.files import sync
from affectstore.store.index.catalog import Catalog
from affectstore.store.paths import HDF5_FILE
from affectstore.store.spec import ArraySpec

#: Datasets begin at multiples of this, so that they can be mapped with their elements aligned.
ALIGNMENT = 64
_BLOCK_BYTES = 1 << 22
VIRTUAL_FILE = "virtual.h5"


class Hdf5Writer:
    """A shard as one HDF5 file: `append` per clip and array, then `finish`."""

    def __init__(self, folder: Path, specs: Sequence[ArraySpec]):
        for spec in specs:
            if spec.codec == "zstd":
                raise StoreError(
                    f"array {spec.name!r}: codec 'zstd' needs the zarr container, HDF5 stores arrays as they are; "
                    "set the feature's codec to none or store.format to zarr"
                )
        self._folder = folder
        self._spool = folder / "spool"
        self._spool.mkdir()
        self._specs = {spec.name: spec for spec in specs}
        self._rows = dict.fromkeys(self._specs, 0)
        self._files: dict[str, BinaryIO] = {name: (self._spool / name).open("xb") for name in self._specs}

    def append(self, name: str, data: np.ndarray) -> None:
        """Add one clip's rows, in stored form, to an array."""
        self._rows[name] += len(data)
        if data.size:
            self._files[name].write(data.reshape(-1).view(np.uint8).data)

    def finish(self, index: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
        """Write the file.

        Args:
            index: Index arrays, by name.
            attributes: Attributes of the shard; with those of the arrays they are kept as JSON in the dataset
                `metadata`, because HDF5 attributes end at 64 KB.
        """
        import h5py

        self.close()
        described = {"attributes": dict(attributes), "arrays": [spec.to_json() for spec in self._specs.values()]}
        with h5py.File(
            self._folder / HDF5_FILE, "x", libver=("v110", "v110"), alignment_threshold=1, alignment_interval=ALIGNMENT
        ) as file:
            for name, spec in self._specs.items():
                shape = (self._rows[name], *spec.stored_shape)
                dataset = file.create_dataset(name, shape, dtype=spec.stored_dtype)
                dataset.attrs["unit"] = spec.unit
                for axis, label in enumerate(spec.stored_dims):
                    dataset.dims[axis].label = label
                self._copy(name, spec, dataset)
            for name, array in index.items():
                file.create_dataset(name, data=array)
            text = json.dumps(described, allow_nan=False).encode()
            file.create_dataset("metadata", data=np.frombuffer(text, dtype=np.uint8))
        shutil.rmtree(self._spool)

    def close(self) -> None:
        """Close all files, finished or not."""
        for file in self._files.values():
            file.close()

    def _copy(self, name: str, spec: ArraySpec, dataset: Any) -> None:
        step = max(1, _BLOCK_BYTES // spec.row_bytes)
        with open(self._spool / name, "rb") as spool:
            for first in range(0, self._rows[name], step):
                rows = min(step, self._rows[name] - first)
                block = np.frombuffer(spool.read(rows * spec.row_bytes), dtype=spec.stored_dtype)
                dataset[first : first + rows] = block.reshape(rows, *spec.stored_shape)


def write_virtual(feature_dir: Path, catalog: Catalog) -> None:
    """Join the plain arrays of all shards in `virtual.h5`, in the order of the catalog.

    The file holds no data but references to them; `data` lists the shards' folders, and each folder's own `offsets` and
    `clip_id` assign the rows to clips.
    """
    import h5py

    counts = {
        "row": {shard.data: shard.rows for shard in catalog.shards},
        "clip": {shard.data: shard.ok for shard in catalog.shards},
    }
    temporary = feature_dir / f".{VIRTUAL_FILE}.tmp"
    temporary.unlink(missing_ok=True)
    with h5py.File(temporary, "x", libver=("v110", "v110")) as file:
        for spec in catalog.arrays:
            if spec.is_variable_length:
                continue
            rows = counts[spec.granularity]
            layout = h5py.VirtualLayout((sum(rows.values()), *spec.stored_shape), spec.stored_dtype)
            first = 0
            for data, count in rows.items():
                if count:
                    source = h5py.VirtualSource(
                        f"{data}/{HDF5_FILE}", spec.name, (count, *spec.stored_shape), spec.stored_dtype
                    )
                    layout[first : first + count] = source
                first += count
            dataset = file.create_virtual_dataset(spec.name, layout)
            for axis, label in enumerate(spec.stored_dims):
                dataset.dims[axis].label = label
        file.create_dataset("data", data=[shard.data for shard in catalog.shards], dtype=h5py.string_dtype())
    temporary.replace(feature_dir / VIRTUAL_FILE)
    sync(feature_dir)
