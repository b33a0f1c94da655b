"""Names of files and folders in a store, and features found by path.

```
results/store/crema-d/         a store: the features of one corpus
  clips.parquet  splits/       tables beside them
  mel/                         a Zarr v3 group, one feature
    zarr.json                  attributes: provenance
    catalog.json               the published snapshot; catalogs/ keeps every one
    shards/                    a Zarr v3 group
      003.json                ledger: which data folder is shard 003, and its contents
      003-5f0c.../            immutable data, named by its content
      .003.lock               held by the one writer of the shard
      .003.tmp-...            unfinished work of that writer
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from affectstore.errors import StoreError
from affectstore.paths import RESULTS
from affectstore.store.folders import Folder, LocalFolder

#: Format of the store.
FORMAT = 1
CLIPS = "clips.parquet"
SPLITS = "splits"
LEDGER = "ledger.json"
CATALOG = "catalog.json"
CATALOGS = "catalogs"
SHARDS = "shards"
HDF5_FILE = "data.h5"
#: Hex digits of a content digest that are part of a name.
SHORT = 12

Kind = Literal["feature", "store", "stores", "nothing"]

_SHARD = re.compile(r"(?!zarr\b)[A-Za-z0-9][A-Za-z0-9_-]{0,80}")
_FEATURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,120}")
_DATA = re.compile(rf"(?P<shard>{_SHARD.pattern})-[0-9a-f]{{{SHORT}}}")
_UNFINISHED_JSON = re.compile(r"\..+\.json\.[a-z0-9_]{8}")
# An unfinished data folder, or an unfinished ledger of `affectstore.files.write_atomic`.
_TEMPORARY = re.compile(rf"\.(?P<shard>{_SHARD.pattern}?)(\.tmp-[0-9a-f]{{16}}|\.json\.[a-z0-9_]{{8}})")


def is_feature_name(name: str) -> bool:
    """True if `name` may be a folder of a store: no separator, not hidden."""
    return bool(_FEATURE.fullmatch(name))


def check_shard(shard: str) -> str:
    """Return the name of a shard, if file names may contain it.

    Raises:
        StoreError: They may not.
    """
    if not _SHARD.fullmatch(shard):
        raise StoreError(f"shard name {shard!r}: letters, digits, '_', '-', not beginning with 'zarr'")
    return shard


def data_path(shard: str, content_digest: str) -> str:
    """Name the data folder of a content, relative to the feature's folder."""
    return f"{SHARDS}/{shard}-{content_digest[:SHORT]}"


def shard_of_data(path: str) -> str | None:
    """Shard of a data folder (relative to the feature's); None for any other path."""
    parent, _, name = path.rpartition("/")
    match = _DATA.fullmatch(name)
    return match["shard"] if match and parent == SHARDS else None


def shard_of_temporary(name: str) -> str | None:
    """Shard of an unfinished file or folder; None for any other name."""
    match = _TEMPORARY.fullmatch(name)
    return match["shard"] if match else None


def is_unfinished_document(name: str) -> bool:
    """True for a JSON document that was being written."""
    return bool(_UNFINISHED_JSON.fullmatch(name))


def is_snapshot_name(name: str) -> bool:
    """True for a kept snapshot in `catalogs/`, False for one that is being written."""
    return name.endswith(".json") and not name.startswith(".")


def ledger_path(feature_dir: Path, shard: str) -> Path:
    """Path of a shard's ledger."""
    return feature_dir / SHARDS / f"{check_shard(shard)}.json"


def ledger_files(feature_dir: Path) -> dict[str, Path]:
    """List the ledgers of a feature by shard; files of other kinds beside them are ignored."""
    paths = sorted((feature_dir / SHARDS).glob("*.json"))
    return {path.stem: path for path in paths if _SHARD.fullmatch(path.stem)}


def data_folders(feature_dir: Path, shard: str | None = None) -> Iterator[Path]:
    """List the data folders of one shard or, by default, of all: every generation, sorted by name."""
    shards = feature_dir / SHARDS
    if not shards.is_dir():
        return
    for path in sorted(shards.iterdir()):
        owner = shard_of_data(f"{SHARDS}/{path.name}")
        if owner is not None and (shard is None or owner == shard) and path.is_dir():
            yield path


def is_published(folder: Folder) -> bool:
    """True if a folder is a feature that readers can open."""
    return folder.has(CATALOG) or bool(folder.child(CATALOGS).names())


def is_feature(folder: Folder) -> bool:
    """True if a folder is a feature, published or not."""
    return folder.has(CATALOG) or folder.has(f"{SHARDS}/zarr.json") or is_published(folder)


def kind_of(folder: Folder) -> Kind:
    """Classify a folder by its contents."""
    if is_feature(folder):
        return "feature"
    names = [name for name in folder.folders() if is_feature_name(name)]
    if folder.has(CLIPS) or any(is_feature(folder.child(name)) for name in names):
        return "store"
    if any(kind_of(folder.child(name)) == "store" for name in names):
        return "stores"
    return "nothing"


@dataclass(frozen=True)
class FeatureFolder:
    """A feature on this machine.

    Attributes:
        corpus: Name of the store it belongs to.
        name: Name of the feature.
        path: Its folder.
    """

    corpus: str
    name: str
    path: Path

    def __str__(self) -> str:
        """Write `corpus/name`."""
        return f"{self.corpus}/{self.name}"


def resolve(text: str | Path) -> Path:
    """Find the folder that a command line means: a path, or `crema-d/mel` below results/store.

    Raises:
        StoreError: Neither exists.
    """
    for path in (Path(text), RESULTS.stores / text):
        if path.is_dir() and kind_of(LocalFolder(path)) != "nothing":
            return path
    looked = f"{Path(text)} and {RESULTS.stores / text}" if Path(text) != RESULTS.stores else str(RESULTS.stores)
    raise StoreError(f"no store or feature at {text}: looked at {looked} in {Path.cwd()}")


def feature_folders(path: Path) -> list[FeatureFolder]:
    """List the features, published or not, of a feature folder, a store or the folder of several stores."""
    folder = LocalFolder(path)
    kind = kind_of(folder)
    if kind == "feature":
        absolute = path.absolute()
        return [FeatureFolder(absolute.parent.name, absolute.name, path)]
    children = [path / name for name in folder.folders() if is_feature_name(name)]
    if kind == "stores":
        return [feature for child in children for feature in feature_folders(child) if child.is_dir()]
    corpus = path.absolute().name
    return [FeatureFolder(corpus, child.name, child) for child in children if is_feature(LocalFolder(child))]
