"""Catalog of a feature: its published snapshot, which names the data folder of each shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from affectstore.errors import StoreError
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.index.document import Document, lines_of
from affectstore.store.index.ledger import STATUSES, Ledger
from affectstore.store.paths import CATALOG, CATALOGS, FORMAT, SHORT, is_snapshot_name, shard_of_data
from affectstore.store.spec import ArraySpec


@dataclass(frozen=True)
class CatalogShard:
    """One shard of a snapshot.

    Attributes:
        shard: Name of the shard.
        data: Its data folder, relative to the feature's.
        ledger: Digest of the ledger's bytes.
        ok, failed, not_applicable: Number of clips of each status.
        rows: Rows of all its clips together.
        bytes: Size on disk.
    """

    shard: str
    data: str
    ledger: str
    ok: int
    failed: int
    not_applicable: int
    rows: int
    bytes: int

    @classmethod
    def of(cls, ledger: Ledger) -> Self:
        """Summarise a ledger."""
        status = [clip.status for clip in ledger.clips]
        ok, failed, not_applicable = (status.count(name) for name in STATUSES)
        return cls(ledger.shard, ledger.data, ledger.digest, ok, failed, not_applicable, ledger.rows, ledger.size_bytes)


@dataclass(frozen=True)
class Catalog(Document):
    """One snapshot of one feature.

    Attributes:
        format: Format of the store.
        feature_digest: Digest of the feature's definition.
        container: "zarr", "hdf5", or "mixed" if shards differ.
        arrays: Arrays of each clip; the first is `values`.
        rates: Lowest and highest rate of the clips' grids in rows per second, as fractions; one if they are all the
            same, none if the rows have times of their own.
        attributes: Provenance.
        shards: Shards in the order of the plan.
    """

    kind = "catalog"

    format: int
    feature_digest: str
    container: str
    arrays: tuple[ArraySpec, ...]
    rates: tuple[str, ...]
    attributes: Mapping[str, Any]
    shards: tuple[CatalogShard, ...]

    def __str__(self) -> str:
        """Count clips by status, and shards."""
        return (
            f"{self.count('ok')} clips, {self.count('failed')} failed, {self.count('not_applicable')} not applicable, "
            f"{len(self.shards)} shards, feature digest {self.feature_digest[:SHORT]}"
        )

    def count(self, field: str) -> int:
        """Sum one of the shards' counts: "ok", "failed", "not_applicable", "rows", "bytes"."""
        return sum(getattr(shard, field) for shard in self.shards)

    def names(self, ledgers: Mapping[str, Ledger]) -> bool:
        """True if this is the snapshot of exactly these ledgers."""
        return {shard.shard: shard.ledger for shard in self.shards} == {
            shard: ledger.digest for shard, ledger in ledgers.items()
        }

    def kept_path(self, feature_dir: Path) -> Path:
        """Path at which this snapshot is kept when a newer one replaces it."""
        return feature_dir / CATALOGS / f"{self.digest[:SHORT]}.json"

    def canonical(self) -> bytes:
        """Write the file's bytes, one line per shard."""
        head = {
            "format": self.format,
            "feature_digest": self.feature_digest,
            "container": self.container,
            "attributes": dict(self.attributes),
            "arrays": [spec.to_json() for spec in self.arrays],
            "rates": self.rates,
        }
        return lines_of(head, "shards", [asdict(shard) for shard in self.shards])

    @classmethod
    def from_json(cls, written: Any) -> Self:
        """Build a catalog from its parsed JSON."""
        names = [field.name for field in fields(CatalogShard)]
        shards = tuple(CatalogShard(**{name: shard[name] for name in names}) for shard in written["shards"])
        for shard in shards:
            if shard_of_data(shard.data) != shard.shard:
                raise ValueError(f"data folder {shard.data!r} is none of shard {shard.shard!r}")
        return cls(
            format=FORMAT,
            feature_digest=written["feature_digest"],
            container=written["container"],
            arrays=tuple(ArraySpec.from_json(spec) for spec in written["arrays"]),
            rates=tuple(written["rates"]),
            attributes=written["attributes"],
            shards=shards,
        )

    @classmethod
    def read(cls, feature_dir: Path | Folder) -> Self:
        """Read the present snapshot, or the newest of those kept.

        A job runner deletes outputs, `catalog.json` among them, before a job runs again.

        Raises:
            StoreError: The feature was never published, or has another format.
            IntegrityError: The catalog is damaged.
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
