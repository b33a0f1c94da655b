"""Content digest of a data folder, by which it is named, and the check of every byte against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affectstore.digest import digest
from affectstore.store.containers.encoded_array import clip_digest
from affectstore.store.folders import LocalFolder
from affectstore.store.index.arrays import index_arrays
from affectstore.store.index.ledger import ClipEntry, Ledger
from affectstore.store.paths import FORMAT, LEDGER, data_path
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec


def content_digest(
    container: str, specs: Iterable[ArraySpec], attributes: Mapping[str, Any], clips: Sequence[ClipEntry]
) -> str:
    """Compute the digest of all that a data folder holds.

    Args:
        attributes: Attributes of the shard's group, the store's own among them.
    """
    return digest(
        {
            "format": FORMAT,
            "container": container,
            "arrays": [spec.to_json() for spec in specs],
            "attributes": dict(attributes),
            "clips": list(clips),
        }
    )


def sizes(folder: Path) -> dict[str, int]:
    """Measure each file of a data folder, by relative name, without the ledger's copy."""
    return {
        name: path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (name := path.relative_to(folder).as_posix()) != LEDGER
    }


def find_problems(folder: Path) -> list[str]:
    """Read every byte of a data folder and describe each difference from the bytes that were written.

    The folder's own name is not compared, so that unfinished folders can be read too.
    """
    try:
        ledger = Ledger.read_copy(LocalFolder(folder))
        if ledger.canonical() != ledger.encoded:
            return [f"{folder}/{LEDGER} is not as it was written"]
        if found := _file_problems(folder, ledger.files):
            return found
        return _reader_problems(ShardReader(folder, ledger))
    except Exception as error:
        # Damaged bytes make the libraries below fail in any way; each of them is a finding, not a crash.
        return [f"{folder} cannot be read: {type(error).__name__}: {error}"]


def _file_problems(folder: Path, expected: Mapping[str, int]) -> list[str]:
    found = sizes(folder)
    missing = [f"{folder}/{name} is missing" for name in sorted(expected.keys() - found.keys())]
    extra = [f"{folder}/{name} does not belong there" for name in sorted(found.keys() - expected.keys())]
    other = [
        f"{folder}/{name} has {found[name]} bytes instead of {size}"
        for name, size in expected.items()
        if found.get(name, size) != size
    ]
    return [*missing, *extra, *other]


def _reader_problems(reader: ShardReader) -> list[str]:
    found: list[str] = []
    ledger, specs = reader.ledger, list(reader.specs.values())
    lengths: dict[str, list[np.ndarray]] = {spec.name: [] for spec in specs}
    grids = []
    for entry in ledger.clips:
        grids.append(reader.grid(entry.clip_id))
        if entry.status != "ok":
            if entry.rows or entry.digest:
                found.append(f"{reader.folder}: clip {entry.clip_id!r} is {entry.status} and yet has rows")
            continue
        parts = reader.encoded(entry.clip_id)
        for spec, part in zip(specs, parts, strict=True):
            if part.lengths is not None:
                lengths[spec.name].append(part.lengths)
        if clip_digest(specs, parts, grids[-1]) != entry.digest:
            found.append(f"{reader.folder}: the arrays of clip {entry.clip_id!r} do not fit their digest")
    index = index_arrays(ledger.clips, grids, specs, lengths)
    for name, array in index.items():
        if not np.array_equal(reader.container.index(name), array):
            found.append(f"{reader.folder}: the array {name!r} does not fit the ledger")
    found += reader.container.find_problems(index)
    named = data_path(ledger.shard, content_digest(ledger.container, specs, reader.container.attributes, ledger.clips))
    if named != ledger.data:
        found.append(f"{reader.folder}: its content is that of {named}, its ledger says {ledger.data}")
    return found
