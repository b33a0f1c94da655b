"""Names in a feature's folder.

```
mel/                         a Zarr v3 group, one feature of one corpus
  zarr.json                  attributes: provenance
  catalog.json               the published snapshot; catalogs/ keeps every one
  shards/                    a Zarr v3 group
    0003.json                ledger: which data folder is shard 0003, and what is in it
    0003-5f0c.../            immutable data, named by its content
    .0003.lock               held by the one writer of the shard
    .0003.tmp-...            what that writer has not finished
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from affectstore.errors import StoreError

FORMAT = 1
LEDGER = "ledger.json"
CATALOG = "catalog.json"
CATALOGS = "catalogs"
SHARDS = "shards"
#: Hex digits of a content digest that stand in a name.
SHORT = 12

_SHARD = re.compile(r"(?!zarr\b)[A-Za-z0-9][A-Za-z0-9_-]{0,80}")
_FEATURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")
_DATA = re.compile(rf"(?P<shard>{_SHARD.pattern})-[0-9a-f]{{{SHORT}}}")
_UNFINISHED_JSON = re.compile(r"\..+\.json\.[a-z0-9_]{8}")
# an unfinished data folder, or an unfinished ledger of `affectstore.files.write_atomic`
_TEMPORARY = re.compile(rf"\.(?P<shard>{_SHARD.pattern}?)(\.tmp-[0-9a-f]{{16}}|\.json\.[a-z0-9_]{{8}})")


def is_feature_name(name: str) -> bool:
    """Whether `name` may be a folder of a store: no separator, not hidden."""
    return bool(_FEATURE.fullmatch(name))


def check_shard(shard: str) -> str:
    """`shard`, if it may stand in file names.

    Raises:
        StoreError: it may not.
    """
    if not _SHARD.fullmatch(shard):
        raise StoreError(f"shard name {shard!r}: letters, digits, '_', '-', not beginning with 'zarr'")
    return shard


def data_path(shard: str, content_digest: str) -> str:
    """Where data of this content lie, relative to the feature's folder."""
    return f"{SHARDS}/{shard}-{content_digest[:SHORT]}"


def shard_of_data(path: str) -> str | None:
    """Which shard a data folder (relative to the feature's) belongs to; None for any other path."""
    parent, _, name = path.rpartition("/")
    match = _DATA.fullmatch(name)
    return match["shard"] if match and parent == SHARDS else None


def shard_of_temporary(name: str) -> str | None:
    """Which shard an unfinished file or folder belongs to, or None where the name is not one of those."""
    match = _TEMPORARY.fullmatch(name)
    return match["shard"] if match else None


def is_unfinished_document(name: str) -> bool:
    """Whether a file is a JSON document that was being written."""
    return bool(_UNFINISHED_JSON.fullmatch(name))


def ledger_path(feature_dir: Path, shard: str) -> Path:
    """Where the ledger of a shard lies."""
    return feature_dir / SHARDS / f"{check_shard(shard)}.json"


def ledger_files(feature_dir: Path) -> dict[str, Path]:
    """The ledgers of a feature by shard; files of other kinds beside them are passed over."""
    paths = sorted((feature_dir / SHARDS).glob("*.json"))
    return {path.stem: path for path in paths if _SHARD.fullmatch(path.stem)}


def data_folders(feature_dir: Path, shard: str | None = None) -> Iterator[Path]:
    """Data folders of one shard or, by default, of all, every generation, sorted by name."""
    shards = feature_dir / SHARDS
    if not shards.is_dir():
        return
    for path in sorted(shards.iterdir()):
        owner = shard_of_data(f"{SHARDS}/{path.name}")
        if owner is not None and (shard is None or owner == shard) and path.is_dir():
            yield path
