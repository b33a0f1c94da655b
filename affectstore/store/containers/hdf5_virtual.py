"""Virtual HDF5 file over the shards' files, for readers that want a feature as one dataset."""

from __future__ import annotations

from pathlib import Path

from affectstore.files import sync
from affectstore.store.index.catalog import Catalog
from affectstore.store.paths import HDF5_FILE

VIRTUAL_FILE = "virtual.h5"


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
