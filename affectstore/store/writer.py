"""Writer of one shard: clip by clip, in memory that one clip bounds, complete or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from affectstore.digest import canonical_json
from affectstore.errors import ClipError, IntegrityError, StoreError
from affectstore.files import sync, sync_tree, temporary_folder, write_if_changed
from affectstore.lock import FileLock
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.containers.encoded_array import EncodedArray, clip_digest, encode
from affectstore.store.containers.hdf5_writer import Hdf5Writer
from affectstore.store.containers.zarr_format import group_document
from affectstore.store.containers.zarr_writer import ZarrWriter
from affectstore.store.content import content_digest, find_problems, sizes
from affectstore.store.folders import LocalFolder
from affectstore.store.index.arrays import check_grid, index_arrays
from affectstore.store.index.ledger import ClipEntry, Ledger, Status
from affectstore.store.paths import FORMAT, LEDGER, SHARDS, check_shard, data_path, ledger_path, shard_of_temporary
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

#: The store's own entry among a group's attributes.
OWN = "affectstore"


class ShardBusyError(StoreError):
    """Another writer holds the shard."""


class ShardLock(FileLock):
    """Exclusive right to write one shard."""

    def __init__(self, feature_dir: Path, shard: str) -> None:
        super().__init__(
            feature_dir / SHARDS / f".{check_shard(shard)}.lock",
            lambda holder: ShardBusyError(
                f"shard {shard!r} of feature {feature_dir.name!r} is being written by {holder or 'another process'}; "
                "one shard has one writer: wait until it ends, or stop it"
            ),
        )


class ShardWriter:
    """The one writer of a shard; a context manager that discards everything unless `finish` was called.

    Args:
        feature_dir: Folder of the feature; made if missing.
        shard: Name of the shard.
        feature_digest: Digest of the feature's definition.
        arrays: Arrays of every clip; the first is `values`.
        attributes: Provenance, JSON-like; the key "affectstore" is the store's own.
        container: "zarr" or "hdf5".

    Raises:
        StoreError: Another writer holds the shard, or the arguments contradict each other.
    """

    def __init__(
        self,
        feature_dir: Path,
        shard: str,
        feature_digest: str,
        arrays: tuple[ArraySpec, ...],
        attributes: Mapping[str, Any],
        container: Literal["zarr", "hdf5"] = "zarr",
    ):
        names = [spec.name for spec in arrays]
        if not names or names[0] != "values" or len(set(names)) != len(names):
            raise StoreError(f"the arrays of a feature begin with 'values' and have names of their own, got {names}")
        if container not in ("zarr", "hdf5"):
            raise StoreError(f"container {container!r} is neither zarr nor hdf5")
        if OWN in attributes:
            raise StoreError(f"attribute {OWN!r} is the store's own")
        self.feature_dir, self.shard, self.feature_digest = Path(feature_dir), check_shard(shard), feature_digest
        self.specs = {spec.name: spec for spec in arrays}
        own = {"format": FORMAT, "feature_digest": feature_digest, "shard": shard, "arrays": names}
        # Through canonical JSON, so that the order in which options were written changes no byte.
        self._attributes = json.loads(canonical_json({**attributes, OWN: own}))
        self._container_name = container
        self._lock = ShardLock(self.feature_dir, shard)
        self._clips: dict[str, ClipEntry] = {}
        self._grids: list[Grid | None] = []
        self._lengths: dict[str, list[np.ndarray]] = {spec.name: [] for spec in arrays if spec.is_variable_length}
        self._folder: Path | None = None
        self._container: ZarrWriter | Hdf5Writer | None = None

    def __enter__(self) -> ShardWriter:
        shards = self.feature_dir / SHARDS
        shards.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            write_if_changed(shards / "zarr.json", group_document({}))
            remove_temporaries(self.feature_dir, self.shard)
            self._folder = temporary_folder(shards, self.shard)
            make = ZarrWriter if self._container_name == "zarr" else Hdf5Writer
            self._container = make(self._folder, tuple(self.specs.values()))
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def append(self, clip_id: str, key: str, arrays: ClipArrays) -> None:
        """Add a clip's arrays. If this raises, nothing was added.

        Raises:
            ClipError: The clip has no rows or numbers that are not finite; `fail` may record that.
            StoreError: The arrays are not as declared, or the clip was added before.
        """
        self._check_new(clip_id)
        self._check(clip_id, arrays)
        parts = [encode(spec, arrays.arrays[name]) for name, spec in self.specs.items()]
        self._add(clip_id, key, parts, arrays.grid)

    def fail(self, clip_id: str, key: str, status: Status, reason: str) -> None:
        """Add a clip that has no arrays, and the reason.

        Raises:
            StoreError: There is no reason, or the clip was added before.
        """
        self._check_new(clip_id)
        if status not in ("failed", "not_applicable") or not reason.strip():
            raise StoreError(f"clip {clip_id!r}: {status!r} with reason {reason!r}: say failed or not_applicable, why")
        self._clips[clip_id] = ClipEntry(clip_id, key, status, reason.strip(), 0, "")
        self._grids.append(None)

    def copy(self, source: ShardReader, source_clip_id: str, clip_id: str, key: str) -> None:
        """Copy a clip from another shard, bytes unchanged, failures included. If this raises, nothing was added.

        Raises:
            IntegrityError: The stored bytes do not fit their digest any more; compute the clip again.
            StoreError: The other shard has other arrays, or not this clip.
        """
        self._check_new(clip_id)
        entry = source.entry(source_clip_id)
        if entry.status != "ok":
            self.fail(clip_id, key, entry.status, entry.reason)
            return
        theirs, ours = ([_form(spec) for spec in specs] for specs in (source.specs.values(), self.specs.values()))
        if theirs != ours:
            raise StoreError(f"clip {source_clip_id!r}: {source.folder} holds {theirs}, this shard takes {ours}")
        parts, grid = source.encoded(source_clip_id), source.grid(source_clip_id)
        if clip_digest(tuple(self.specs.values()), parts, grid) != entry.digest:
            raise IntegrityError(f"clip {source_clip_id!r} in {source.folder} does not fit its digest any more")
        self._add(clip_id, key, parts, grid)

    def finish(self) -> Ledger:
        """Move the shard to its place: data first, the ledger last.

        Raises:
            IntegrityError: The written data read back otherwise.
        """
        folder, container = self._opened()
        clips, specs = tuple(self._clips.values()), tuple(self.specs.values())
        container.finish(index_arrays(clips, self._grids, specs, self._lengths), self._attributes)
        content = content_digest(self._container_name, specs, self._attributes, clips)
        data = data_path(self.shard, content)
        ledger = Ledger(FORMAT, self.feature_digest, self.shard, data, sizes(folder), clips)
        (folder / LEDGER).write_bytes(ledger.encoded)
        if found := find_problems(folder):
            raise IntegrityError(f"shard {self.shard!r} could not be read back as it was written: {'; '.join(found)}")
        sync_tree(folder)
        ledger = self._place(folder, ledger)
        self._folder = None
        ledger.write(ledger_path(self.feature_dir, self.shard))
        return ledger

    def _place(self, folder: Path, ledger: Ledger) -> Ledger:
        """Rename the folder; if a sound folder of that content exists already, keep that one."""
        target = self.feature_dir / ledger.data
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if not find_problems(target):
                present = Ledger.read_copy(LocalFolder(target))
                if present.clips == ledger.clips:
                    shutil.rmtree(folder)
                    return present
            aside = temporary_folder(target.parent, self.shard)
            target.rename(aside)
            folder.rename(target)
            shutil.rmtree(aside)
        sync(target.parent)
        return ledger

    def _opened(self) -> tuple[Path, ZarrWriter | Hdf5Writer]:
        if self._folder is None or self._container is None:
            raise StoreError(f"shard {self.shard!r} is not being written: use a `with` block, and finish it once")
        return self._folder, self._container

    def _add(self, clip_id: str, key: str, parts: list[EncodedArray], grid: Grid | None) -> None:
        _, container = self._opened()
        specs = tuple(self.specs.values())
        for spec, part in zip(specs, parts, strict=True):
            container.append(spec.name, part.data)
            if part.lengths is not None:
                self._lengths[spec.name].append(part.lengths)
        self._clips[clip_id] = ClipEntry(clip_id, key, "ok", "", parts[0].rows, clip_digest(specs, parts, grid))
        self._grids.append(grid)

    def _check_new(self, clip_id: str) -> None:
        self._opened()
        if clip_id in self._clips:
            raise StoreError(f"clip {clip_id!r} is in shard {self.shard!r} already")
        try:
            clip_id.encode()
        except UnicodeEncodeError:
            raise StoreError(f"clip {clip_id!r}: an id is Unicode text, this one is not") from None

    def _check(self, clip_id: str, given: ClipArrays) -> None:
        if given.arrays.keys() != self.specs.keys():
            raise StoreError(f"clip {clip_id!r}: arrays {sorted(given.arrays)} instead of {sorted(self.specs)}")
        rows = len(given.arrays["values"]) if given.arrays["values"].ndim else 0
        for name, spec in self.specs.items():
            _check_array(clip_id, spec, given.arrays[name], rows)
        if rows == 0:
            raise ClipError(f"clip {clip_id!r} has no rows: 0 {self.specs['values'].dims[0]}s")
        if given.grid is not None:
            check_grid(clip_id, given.grid)
        elif "times" not in self.specs:
            raise StoreError(f"clip {clip_id!r}: rows without a grid need their times in an array 'times'")

    def _discard(self) -> None:
        if self._container is not None:
            self._container.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._container = None
        self._lock.release()


def remove_temporaries(feature_dir: Path, shard: str) -> None:
    """Remove the unfinished work of a dead writer of this shard; only the holder of the shard's lock may do so."""
    for path in sorted((feature_dir / SHARDS).iterdir()):
        if shard_of_temporary(path.name) == shard:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _form(spec: ArraySpec) -> tuple[object, ...]:
    """Properties that two arrays share if stored rows can be copied from one to the other."""
    return spec.name, spec.dtype, spec.shape, spec.codec if spec.is_variable_length else "plain", spec.granularity


def _check_array(clip_id: str, spec: ArraySpec, array: np.ndarray, rows: int) -> None:
    where = f"clip {clip_id!r}, array {spec.name!r}"
    if array.dtype != spec.numpy_dtype:
        raise StoreError(f"{where}: dtype {array.dtype} instead of {spec.dtype}")
    if array.shape[1:] != spec.shape or array.ndim == 0:
        raise StoreError(f"{where}: shape {array.shape} instead of ({spec.dims[0]}, {', '.join(map(str, spec.shape))})")
    if spec.granularity == "clip" and len(array) != 1:
        raise StoreError(f"{where}: {len(array)} rows, but it is declared to have one per clip")
    if spec.granularity == "row" and len(array) != rows:
        raise StoreError(f"{where}: {len(array)} rows, but 'values' has {rows}")
    if spec.allow_nan:
        if np.isinf(array).any():
            raise ClipError(f"{where}: {int(np.isinf(array).sum())} of {array.size} numbers are infinite")
    elif array.dtype.kind == "f" and not np.isfinite(array).all():
        count = array.size - int(np.isfinite(array).sum())
        raise ClipError(f"{where}: {count} of {array.size} numbers are not finite")
    if spec.name == "times" and (np.diff(array) < 0).any():
        raise StoreError(f"{where}: times go back")
