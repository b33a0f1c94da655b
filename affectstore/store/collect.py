"""Garbage collection: data folders and snapshots that no reader can want any more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from affectstore.errors import StoreError
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import (
    CATALOGS,
    SHARDS,
    data_folders,
    is_snapshot_name,
    is_unfinished_document,
    ledger_path,
    shard_of_data,
    shard_of_temporary,
)
from affectstore.store.writer import ShardBusyError, ShardLock

GRACE_S = 24 * 3600.0
#: No document takes longer to write: one that is younger may have a living writer.
_WRITING_S = 600.0


@dataclass(frozen=True)
class Garbage:
    """Something to remove.

    Attributes:
        path: A data folder, a snapshot or the unfinished work of a dead writer.
        bytes: Size on disk.
        reason: Reason why it is not needed.
    """

    path: Path
    bytes: int
    reason: str


@dataclass(frozen=True)
class _Snapshot:
    path: Path
    published_s: float
    data: frozenset[str]


def collect(feature_dir: Path, grace_s: float = GRACE_S, *, dry_run: bool = False) -> list[Garbage]:
    """Remove data folders and snapshots that neither the present catalog nor a ledger names.

    Published data are kept until `grace_s` after a newer snapshot took their place, since readers that opened it before
    may still be at work; other data, until they are that old. Shards that are being written are left alone.

    Args:
        grace_s: Seconds to keep data that were in use.
        dry_run: True to remove nothing.

    Returns:
        The garbage that was removed, or with `dry_run` would be.

    Raises:
        StoreError: The catalog or a snapshot cannot be read; then nothing is removed.
    """
    if not (feature_dir / SHARDS).is_dir():
        return []
    snapshots = _snapshots(feature_dir)
    collected: list[Garbage] = []
    for shard in _owners(feature_dir):
        try:
            with ShardLock(feature_dir, shard):
                garbage = _of_shard(feature_dir, shard, snapshots, grace_s)
                _remove(garbage, dry_run)
        except ShardBusyError:
            continue
        collected += garbage
    garbage = [*_old_snapshots(feature_dir, snapshots, grace_s), *_old_documents(feature_dir, grace_s)]
    _remove(garbage, dry_run)
    return collected + garbage


def _of_shard(feature_dir: Path, shard: str, snapshots: list[_Snapshot], grace_s: float) -> list[Garbage]:
    """Find the garbage of a shard, whose lock is held."""
    garbage = [
        Garbage(path, _size(path), "left by a writer that died")
        for path in sorted((feature_dir / SHARDS).iterdir())
        if shard_of_temporary(path.name) == shard
    ]
    keep = _kept(feature_dir, shard, snapshots)
    for path in data_folders(feature_dir, shard):
        data = f"{SHARDS}/{path.name}"
        if data not in keep and time.time() - _unused_since(data, path, snapshots) >= grace_s:
            garbage.append(Garbage(path, _size(path), "no ledger and no present snapshot names it"))
    return garbage


def _remove(garbage: list[Garbage], dry_run: bool) -> None:
    for piece in [] if dry_run else garbage:
        shutil.rmtree(piece.path) if piece.path.is_dir() else piece.path.unlink(missing_ok=True)


def _owners(feature_dir: Path) -> list[str]:
    names = [path.name for path in (feature_dir / SHARDS).iterdir()]
    owners = {shard_of_data(f"{SHARDS}/{name}") or shard_of_temporary(name) for name in names}
    return sorted(owner for owner in owners if owner)


def _snapshots(feature_dir: Path) -> list[_Snapshot]:
    """Read the kept snapshots, oldest first."""
    found = []
    for path in (feature_dir / CATALOGS).glob("*.json"):
        if is_snapshot_name(path.name):
            catalog = Catalog.decode(path.read_bytes(), str(path))
            found.append(_Snapshot(path, path.stat().st_mtime, frozenset(shard.data for shard in catalog.shards)))
    return sorted(found, key=lambda snapshot: (snapshot.published_s, snapshot.path))


def _kept(feature_dir: Path, shard: str, snapshots: list[_Snapshot]) -> set[str]:
    """Data of a shard that the present catalog or its ledger names; all of them if the ledger is damaged."""
    keep = {entry.data for entry in Catalog.read(feature_dir).shards} if snapshots else set()
    path = ledger_path(feature_dir, shard)
    if path.exists():
        try:
            keep.add(Ledger.read(path).data)
        except StoreError:
            keep |= {f"{SHARDS}/{folder.name}" for folder in data_folders(feature_dir, shard)}
    return keep


def _unused_since(data: str, path: Path, snapshots: list[_Snapshot]) -> float:
    """Time at which a data folder went out of use: the snapshot after the last one that names it was published."""
    last = max((index for index, snapshot in enumerate(snapshots) if data in snapshot.data), default=None)
    if last is None:
        return path.stat().st_mtime
    following = snapshots[last + 1 : last + 2]
    return following[0].published_s if following else time.time()


def _old_snapshots(feature_dir: Path, snapshots: list[_Snapshot], grace_s: float) -> Iterator[Garbage]:
    if not snapshots:
        return
    present = Catalog.read(feature_dir).kept_path(feature_dir)
    for snapshot, following in pairwise(snapshots):
        if snapshot.path != present and time.time() - following.published_s >= grace_s:
            yield Garbage(snapshot.path, _size(snapshot.path), "a newer snapshot was published")


def _old_documents(feature_dir: Path, grace_s: float) -> Iterator[Garbage]:
    for folder in (feature_dir, feature_dir / CATALOGS):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if is_unfinished_document(path.name) and time.time() - path.stat().st_mtime >= max(grace_s, _WRITING_S):
                yield Garbage(path, _size(path), "left by a writer that died")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
