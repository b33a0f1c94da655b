"""Removing what no reader can want any more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from affectstore.errors import StoreError
from affectstore.store.catalog import Catalog, is_snapshot_name, snapshot_path
from affectstore.store.layout import (
    CATALOGS,
    SHARDS,
    data_folders,
    is_unfinished_document,
    ledger_path,
    shard_of_data,
    shard_of_temporary,
)
from affectstore.store.ledger import Ledger
from affectstore.store.lock import ShardBusyError, ShardLock

GRACE_S = 24 * 3600.0
#: No document takes longer to write: one that is younger may have a living writer.
_WRITING_S = 600.0


@dataclass(frozen=True)
class Removal:
    """Something that goes, or would go.

    Attributes:
        path: a data folder, a snapshot or what a dead writer left.
        bytes: size on disk.
        reason: why it is not needed.
    """

    path: Path
    bytes: int
    reason: str


@dataclass(frozen=True)
class _Snapshot:
    path: Path
    published_s: float
    data: frozenset[str]


def collect(feature_dir: Path, grace_s: float = GRACE_S, *, dry_run: bool = False) -> list[Removal]:
    """Remove data folders and snapshots that neither the present catalog nor a ledger names.

    What was published is kept until `grace_s` after a newer snapshot took its place, since readers that
    opened it then may still be at work; what never was, until it is that old. Shards that are being
    written are left alone.

    Returns:
        What was removed, or with `dry_run` would be.

    Raises:
        StoreError: the catalog or a snapshot cannot be read; then nothing is removed.
    """
    if not (feature_dir / SHARDS).is_dir():
        return []
    snapshots = _snapshots(feature_dir)
    removed: list[Removal] = []
    for shard in _owners(feature_dir):
        try:
            with ShardLock(feature_dir, shard):
                removals = _of_shard(feature_dir, shard, snapshots, grace_s)
                _remove(removals, dry_run)
        except ShardBusyError:
            continue
        removed += removals
    removals = [*_old_snapshots(feature_dir, snapshots, grace_s), *_old_documents(feature_dir, grace_s)]
    _remove(removals, dry_run)
    return removed + removals


def _of_shard(feature_dir: Path, shard: str, snapshots: list[_Snapshot], grace_s: float) -> list[Removal]:
    """What of a shard can go; its lock is held."""
    removals = [
        Removal(path, _size(path), "left by a writer that died")
        for path in sorted((feature_dir / SHARDS).iterdir())
        if shard_of_temporary(path.name) == shard
    ]
    keep = _kept(feature_dir, shard, snapshots)
    for path in data_folders(feature_dir, shard):
        data = f"{SHARDS}/{path.name}"
        if data not in keep and time.time() - _unused_since(data, path, snapshots) >= grace_s:
            removals.append(Removal(path, _size(path), "no ledger and no present snapshot names it"))
    return removals


def _remove(removals: list[Removal], dry_run: bool) -> None:
    for removal in [] if dry_run else removals:
        shutil.rmtree(removal.path) if removal.path.is_dir() else removal.path.unlink(missing_ok=True)


def _owners(feature_dir: Path) -> list[str]:
    names = [path.name for path in (feature_dir / SHARDS).iterdir()]
    owners = {shard_of_data(f"{SHARDS}/{name}") or shard_of_temporary(name) for name in names}
    return sorted(owner for owner in owners if owner)


def _snapshots(feature_dir: Path) -> list[_Snapshot]:
    """The snapshots kept, oldest first."""
    found = []
    for path in (feature_dir / CATALOGS).glob("*.json"):
        if is_snapshot_name(path.name):
            catalog = Catalog.decode(path.read_bytes(), str(path))
            found.append(_Snapshot(path, path.stat().st_mtime, frozenset(shard.data for shard in catalog.shards)))
    return sorted(found, key=lambda snapshot: (snapshot.published_s, snapshot.path))


def _kept(feature_dir: Path, shard: str, snapshots: list[_Snapshot]) -> set[str]:
    """Data of a shard that the present catalog or its ledger names; all of them where the ledger is damaged."""
    keep = {entry.data for entry in Catalog.read(feature_dir).shards} if snapshots else set()
    path = ledger_path(feature_dir, shard)
    if path.exists():
        try:
            keep.add(Ledger.read(path).data)
        except StoreError:
            keep |= {f"{SHARDS}/{folder.name}" for folder in data_folders(feature_dir, shard)}
    return keep


def _unused_since(data: str, path: Path, snapshots: list[_Snapshot]) -> float:
    """When a data folder went out of use: when the snapshot after the last one that names it was published."""
    last = max((index for index, snapshot in enumerate(snapshots) if data in snapshot.data), default=None)
    if last is None:
        return path.stat().st_mtime
    following = snapshots[last + 1 : last + 2]
    return following[0].published_s if following else time.time()


def _old_snapshots(feature_dir: Path, snapshots: list[_Snapshot], grace_s: float) -> Iterator[Removal]:
    if not snapshots:
        return
    present = snapshot_path(feature_dir, Catalog.read(feature_dir))
    for snapshot, following in pairwise(snapshots):
        if snapshot.path != present and time.time() - following.published_s >= grace_s:
            yield Removal(snapshot.path, _size(snapshot.path), "a newer snapshot was published")


def _old_documents(feature_dir: Path, grace_s: float) -> Iterator[Removal]:
    for folder in (feature_dir, feature_dir / CATALOGS):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if is_unfinished_document(path.name) and time.time() - path.stat().st_mtime >= max(grace_s, _WRITING_S):
                yield Removal(path, _size(path), "left by a writer that died")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
