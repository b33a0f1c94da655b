"""The published snapshot of a feature: which data folder is each shard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from affectstore.digest import canonical_json
from affectstore.errors import IntegrityError, StoreError
from affectstore.files import write_atomic
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.integrity import whole
from affectstore.store.layout import CATALOG, CATALOGS, FORMAT, SHORT, ledger_path, shard_of_data
from affectstore.store.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec
from affectstore.store.zarr_format import group_document


@dataclass(frozen=True)
class CatalogShard:
    """One shard of a snapshot.

    Attributes:
        shard: its name.
        data: its data folder, relative to the feature's.
        ledger: digest of the ledger's bytes.
        ok, failed, not_applicable: number of clips of each status.
        rows: of all its clips together.
        bytes: size on disk.
    """

    shard: str
    data: str
    ledger: str
    ok: int
    failed: int
    not_applicable: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Catalog:
    """One snapshot of one feature.

    Attributes:
        format: of the store.
        feature_digest: digest of the feature's definition.
        container: "zarr", "hdf5", or "mixed" where shards differ.
        arrays: what each clip has; the first is `values`.
        rates: lowest and highest rate of the clips' grids in rows per second, as fractions; one where they
            are all the same, none where the rows have times of their own.
        attributes: provenance.
        shards: in the order of the plan.
    """

    format: int
    feature_digest: str
    container: str
    arrays: tuple[ArraySpec, ...]
    rates: tuple[str, ...]
    attributes: Mapping[str, Any]
    shards: tuple[CatalogShard, ...]

    def __str__(self) -> str:
        return (
            f"{self.count('ok')} clips, {self.count('failed')} failed, {self.count('not_applicable')} not applicable, "
            f"{len(self.shards)} shards, feature digest {self.feature_digest[:SHORT]}"
        )

    def count(self, field: str) -> int:
        """Sum of one of the shards' counts: "ok", "failed", "not_applicable", "rows", "bytes"."""
        return sum(getattr(shard, field) for shard in self.shards)

    def names(self, ledgers: Mapping[str, Ledger]) -> bool:
        """Whether this is the snapshot of exactly these ledgers."""
        return {shard.shard: shard.ledger for shard in self.shards} == {
            shard: ledger.digest for shard, ledger in ledgers.items()
        }

    @cached_property
    def encoded(self) -> bytes:
        """The file's bytes, one line a shard."""
        lines = [
            f'"format":{self.format},',
            f'"feature_digest":{canonical_json(self.feature_digest)},',
            f'"container":{canonical_json(self.container)},',
            f'"attributes":{canonical_json(dict(self.attributes))},',
            f'"arrays":{canonical_json([spec.to_json() for spec in self.arrays])},',
            f'"rates":{canonical_json(self.rates)},',
            '"shards":[',
            ",\n".join(canonical_json(asdict(shard)) for shard in self.shards),
        ]
        return ("{" + "\n".join(lines) + "\n]}\n").encode()

    @cached_property
    def digest(self) -> str:
        """sha256 of the file's bytes."""
        return hashlib.sha256(self.encoded).hexdigest()

    @classmethod
    def decode(cls, data: bytes, source: str) -> Catalog:
        """A catalog from its file's bytes.

        Raises:
            IntegrityError: they are not a catalog.
            StoreError: a format that this version does not read.
        """
        try:
            written = json.loads(data)
            if written["format"] != FORMAT:
                raise StoreError(f"{source} has store format {written['format']!r}; this version reads format {FORMAT}")
            catalog = cls(
                format=FORMAT,
                feature_digest=written["feature_digest"],
                container=written["container"],
                arrays=tuple(ArraySpec.from_json(spec) for spec in written["arrays"]),
                rates=tuple(written["rates"]),
                attributes=written["attributes"],
                shards=tuple(
                    CatalogShard(**{field.name: shard[field.name] for field in fields(CatalogShard)})
                    for shard in written["shards"]
                ),
            )
            for shard in catalog.shards:
                if shard_of_data(shard.data) != shard.shard:
                    raise ValueError(f"data folder {shard.data!r} is none of shard {shard.shard!r}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{source} is not a whole catalog: {error}") from error
        return catalog

    @classmethod
    def read(cls, feature_dir: Path | Folder) -> Catalog:
        """The present snapshot; where `catalog.json` is gone (a job runner deletes outputs before a job
        runs again), the newest of those kept.

        Raises:
            StoreError: the feature was never published, or has another format.
            IntegrityError: the catalog is damaged.
        """
        folder = LocalFolder(feature_dir) if isinstance(feature_dir, Path) else feature_dir
        try:
            return cls.decode(folder.read(CATALOG), f"{folder}/{CATALOG}")
        except (FileNotFoundError, NotADirectoryError):
            kept = folder.child(CATALOGS)
            names = [name for name in kept.names() if is_snapshot_name(name)]
            if not names:
                raise StoreError(f"{folder} holds no published feature: it has no {CATALOG}") from None
            return cls.decode(kept.read(names[0]), f"{kept}/{names[0]}")


def is_snapshot_name(name: str) -> bool:
    """Whether a file of `catalogs/` is a kept snapshot (not one being written)."""
    return name.endswith(".json") and not name.startswith(".")


def snapshot_path(feature_dir: Path, catalog: Catalog) -> Path:
    """Where a snapshot is kept."""
    return feature_dir / CATALOGS / f"{catalog.digest[:SHORT]}.json"


def commit(feature_dir: Path, shards: Sequence[str], attributes: Mapping[str, Any]) -> Catalog:
    """Publish what the ledgers of these shards name, in one step.

    Args:
        shards: names of all shards of the feature, in the order of the plan.
        attributes: provenance, JSON-like.

    Raises:
        StoreError: a ledger is missing, they disagree on the feature, or a clip is in two shards.
        IntegrityError: the data that a ledger names are not whole.
    """
    if not shards:
        raise StoreError(f"{feature_dir}: a feature has at least one shard")
    ledgers = {shard: Ledger.read(ledger_path(feature_dir, shard)) for shard in shards}
    _check_agreement(feature_dir, ledgers)
    for shard, ledger in ledgers.items():
        if reason := whole(feature_dir, ledger):
            raise IntegrityError(f"shard {shard!r} of {feature_dir} is not whole: {reason}; extract it again")
    readers = {shard: ShardReader(feature_dir / ledger.data, ledger) for shard, ledger in ledgers.items()}
    containers = {ledger.container for ledger in ledgers.values()}
    catalog = Catalog(
        format=FORMAT,
        feature_digest=ledgers[shards[0]].feature_digest,
        container=containers.pop() if len(containers) == 1 else "mixed",
        arrays=_arrays(feature_dir, readers),
        rates=_rates(readers.values()),
        attributes=json.loads(canonical_json(dict(attributes))),
        shards=tuple(_summary(ledger) for ledger in ledgers.values()),
    )
    own = {"format": FORMAT, "feature_digest": catalog.feature_digest, "data": [shard.data for shard in catalog.shards]}
    write_atomic(feature_dir / "zarr.json", group_document({**catalog.attributes, "affectstore": own}))
    if catalog.container == "hdf5":
        from affectstore.store.hdf5_virtual import write_virtual

        write_virtual(feature_dir, catalog)
    write_atomic(snapshot_path(feature_dir, catalog), catalog.encoded)
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


def _summary(ledger: Ledger) -> CatalogShard:
    status = [clip.status for clip in ledger.clips]
    return CatalogShard(
        shard=ledger.shard,
        data=ledger.data,
        ledger=ledger.digest,
        ok=status.count("ok"),
        failed=status.count("failed"),
        not_applicable=status.count("not_applicable"),
        rows=ledger.rows,
        bytes=ledger.size_bytes,
    )
