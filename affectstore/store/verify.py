"""Verify a store: read every byte and compare it with the digests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from affectstore.errors import IntegrityError, StoreError
from affectstore.store.content import find_problems
from affectstore.store.folders import LocalFolder
from affectstore.store.index.catalog import Catalog, CatalogShard
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import CATALOG, CLIPS, LEDGER, SPLITS, ledger_files, ledger_path


@dataclass(frozen=True)
class Report:
    """Findings in one feature.

    Attributes:
        summary: Numbers of what was read.
        problems: Damages and contradictions; none if the feature is sound.
        notes: Unusual states that are no damage: a shard that was extracted but not published yet.
    """

    summary: str
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def verify_feature(feature_dir: Path) -> Report:
    """Read every byte that the catalog and the present ledgers of a feature name.

    Compared are each file's size, the checksums of indices and index arrays, every clip's arrays with their digest,
    metadata with those that the writer writes, data folders with the digest in their names, ledgers with their copies,
    and the catalog with the ledgers and their counts.
    """
    found: list[str] = []
    notes: list[str] = []
    named: dict[str, str] = {}
    catalog = _catalog(feature_dir, found, notes)
    if catalog is not None:
        named = {shard.data: shard.ledger for shard in catalog.shards}
    for shard, ledger in _ledgers(feature_dir, found).items():
        if ledger.data in named and named[ledger.data] != ledger.digest:
            found.append(f"{ledger_path(feature_dir, shard)} and the catalog name the same data, but disagree on them")
        elif ledger.data not in named and catalog is not None:
            notes.append(f"shard {shard} was extracted and is not published yet")
        named.setdefault(ledger.data, ledger.digest)
    for data, digest in named.items():
        found += _verify_data(feature_dir, data, digest)
    if catalog is not None and not found:
        found += _counts(feature_dir, catalog)
        notes += [
            f"shard {shard.shard} is published and has no ledger"
            for shard in catalog.shards
            if not ledger_path(feature_dir, shard.shard).exists()
        ]
    summary = str(catalog) if catalog is not None else f"not published, {len(named)} shards extracted"
    return Report(summary, tuple(found), tuple(notes))


def _catalog(feature_dir: Path, found: list[str], notes: list[str]) -> Catalog | None:
    try:
        catalog = Catalog.read(feature_dir)
    except IntegrityError as error:
        found.append(str(error))
        return None
    except StoreError as error:
        (found if (feature_dir / CATALOG).exists() else notes).append(str(error))
        return None
    if not (feature_dir / CATALOG).exists():
        notes.append(f"{feature_dir / CATALOG} is missing: readers use the newest snapshot that is kept")
    elif (feature_dir / CATALOG).read_bytes() != catalog.encoded:
        found.append(f"{feature_dir / CATALOG} is not as it was written")
    kept = catalog.kept_path(feature_dir)
    if not kept.exists():
        found.append(f"{kept} is missing or the catalog was changed: its content does not give a snapshot's name")
    return catalog


def _ledgers(feature_dir: Path, found: list[str]) -> dict[str, Ledger]:
    ledgers = {}
    for shard, path in ledger_files(feature_dir).items():
        try:
            ledgers[shard] = Ledger.read(path)
        except StoreError as error:
            found.append(str(error))
    return ledgers


def _verify_data(feature_dir: Path, data: str, digest: str) -> list[str]:
    folder = feature_dir / data
    if not folder.is_dir():
        return [f"{folder} is missing"]
    found = find_problems(folder)
    if found:
        return found
    copy = Ledger.read_copy(LocalFolder(folder))
    if copy.data != data:
        return [f"{folder} holds the content of {copy.data}"]
    if copy.digest != digest:
        return [f"{folder / LEDGER} is not the ledger that is named for it"]
    return []


def _counts(feature_dir: Path, catalog: Catalog) -> list[str]:
    found = []
    seen: dict[str, str] = {}
    for shard in catalog.shards:
        ledger = Ledger.read_copy(LocalFolder(feature_dir / shard.data))
        stated, counted = (
            (of.ok, of.failed, of.not_applicable, of.rows, of.bytes) for of in (shard, CatalogShard.of(ledger))
        )
        if stated != counted:
            found.append(f"{feature_dir}: the catalog says {stated} of shard {shard.shard}, its ledger {counted}")
        for clip in ledger.clips:
            if clip.clip_id in seen:
                found.append(
                    f"{feature_dir}: clip {clip.clip_id!r} is in the shards {seen[clip.clip_id]} and {shard.shard}"
                )
            seen[clip.clip_id] = shard.shard
    return found


def verify_tables(store_dir: Path) -> list[str]:
    """Read the tables beside the features, clips and splits, and describe each problem."""
    import pandas as pd

    found = []
    for path in [store_dir / CLIPS, *sorted((store_dir / SPLITS).glob("*.parquet"))]:
        if not path.exists():
            continue
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            found.append(f"{path} cannot be read: {error}")
            continue
        if "clip_id" not in table.columns or (path.name == CLIPS and table["clip_id"].duplicated().any()):
            found.append(f"{path}: clip_id is missing or not unique")
    return found
