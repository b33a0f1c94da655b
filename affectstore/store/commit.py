"""Publish a feature: name, in one step, the data folder of each shard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from affectstore.digest import canonical_json
from affectstore.errors import IntegrityError, StoreError
from affectstore.files import write_atomic
from affectstore.store.containers.hdf5_writer import write_virtual
from affectstore.store.containers.zarr_format import group_document
from affectstore.store.index.catalog import Catalog, CatalogShard
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import CATALOG, FORMAT, SHORT, ledger_path
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec


def commit(feature_dir: Path, shards: Sequence[str], attributes: Mapping[str, Any]) -> Catalog:
    """Publish the data that the ledgers of these shards name.

    Args:
        shards: Names of all shards of the feature, in the order of the plan.
        attributes: Provenance, JSON-like.

    Raises:
        StoreError: A ledger is missing, they disagree on the feature, or a clip is in two shards.
        IntegrityError: A ledger is damaged or names missing data.
    """
    if not shards:
        raise StoreError(f"{feature_dir}: a feature has at least one shard")
    ledgers = {shard: Ledger.read(ledger_path(feature_dir, shard)) for shard in shards}
    _check_agreement(feature_dir, ledgers)
    for shard, ledger in ledgers.items():
        if damage := ledger.find_damage(feature_dir):
            raise IntegrityError(f"shard {shard!r} of {feature_dir} is not whole: {damage}; extract it again")
    readers = {shard: ShardReader(feature_dir / ledger.data, ledger) for shard, ledger in ledgers.items()}
    containers = {ledger.container for ledger in ledgers.values()}
    catalog = Catalog(
        format=FORMAT,
        feature_digest=ledgers[shards[0]].feature_digest,
        container=containers.pop() if len(containers) == 1 else "mixed",
        arrays=_arrays(feature_dir, readers),
        rates=_rates(readers.values()),
        attributes=json.loads(canonical_json(dict(attributes))),
        shards=tuple(CatalogShard.of(ledger) for ledger in ledgers.values()),
    )
    own = {"format": FORMAT, "feature_digest": catalog.feature_digest, "data": [shard.data for shard in catalog.shards]}
    write_atomic(feature_dir / "zarr.json", group_document({**catalog.attributes, "affectstore": own}))
    if catalog.container == "hdf5":
        write_virtual(feature_dir, catalog)
    write_atomic(catalog.kept_path(feature_dir), catalog.encoded)
    write_atomic(feature_dir / CATALOG, catalog.encoded)
    return catalog


def _check_agreement(feature_dir: Path, ledgers: Mapping[str, Ledger]) -> None:
    by_digest: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for shard, ledger in ledgers.items():
        by_digest.setdefault(ledger.feature_digest, []).append(shard)
        if ledger.shard != shard:
            raise IntegrityError(f"{ledger_path(feature_dir, shard)} is the ledger of shard {ledger.shard!r}")
        for clip in ledger.clips:
            if clip.clip_id in owner:
                raise StoreError(
                    f"clip {clip.clip_id!r} is in the shards {owner[clip.clip_id]!r} and {shard!r} of {feature_dir}; "
                    "extract both again under one plan"
                )
            owner[clip.clip_id] = shard
    if len(by_digest) > 1:
        told = "; ".join(f"{digest[:SHORT]}: {', '.join(shards)}" for digest, shards in by_digest.items())
        raise StoreError(f"the shards of {feature_dir} were made under different settings ({told}); extract them again")


def _arrays(feature_dir: Path, readers: Mapping[str, ShardReader]) -> tuple[ArraySpec, ...]:
    found = {shard: tuple(reader.specs.values()) for shard, reader in readers.items()}
    first_shard, arrays = next(iter(found.items()))
    for shard, other in found.items():
        if other != arrays:
            raise StoreError(f"shards {first_shard!r} and {shard!r} of {feature_dir} declare different arrays")
    return arrays


def _rates(readers: Iterable[ShardReader]) -> tuple[str, ...]:
    pairs = {tuple(pair) for reader in readers for pair in reader.container.index("rate").tolist() if pair[0]}
    rates = sorted(Fraction(*pair) for pair in pairs)
    return tuple(str(rate) for rate in dict.fromkeys([*rates[:1], *rates[-1:]]))
