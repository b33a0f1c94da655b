"""What a folder is: a feature, a corpus' store, or the folder of several stores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from affectstore.errors import StoreError
from affectstore.store.folders import Folder, LocalFolder
from affectstore.store.layout import CATALOG, CATALOGS, SHARDS, is_feature_name

STORES = Path("results/store")
CLIPS = "clips.parquet"
SPLITS = "splits"

Kind = Literal["feature", "store", "stores", "nothing"]


def is_published(folder: Folder) -> bool:
    """Whether a folder is a feature that readers can open."""
    return folder.has(CATALOG) or bool(folder.child(CATALOGS).names())


def is_feature(folder: Folder) -> bool:
    """Whether a folder is a feature, published or not."""
    return folder.has(CATALOG) or folder.has(f"{SHARDS}/zarr.json") or is_published(folder)


def kind_of(folder: Folder) -> Kind:
    """What a folder is, by what lies in it."""
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
        corpus: name of the store it belongs to.
        name: of the feature.
        path: its folder.
    """

    corpus: str
    name: str
    path: Path

    def __str__(self) -> str:
        return f"{self.corpus}/{self.name}"


def resolve(text: str | Path) -> Path:
    """The folder that a command line means: a path, or `crema-d/mel` for what lies under results/store.

    Raises:
        StoreError: there is neither.
    """
    for path in (Path(text), STORES / text):
        if path.is_dir() and kind_of(LocalFolder(path)) != "nothing":
            return path
    looked = f"{Path(text)} and {STORES / text}" if Path(text) != STORES else str(STORES)
    raise StoreError(f"no store or feature at {text}: looked at {looked} in {Path.cwd()}")


def feature_folders(path: Path) -> list[FeatureFolder]:
    """The features, published or not, of a feature folder, a store or the folder of several stores."""
    folder = LocalFolder(path)
    kind = kind_of(folder)
    if kind == "feature":
        whole = path.absolute()
        return [FeatureFolder(whole.parent.name, whole.name, path)]
    children = [path / name for name in folder.folders() if is_feature_name(name)]
    if kind == "stores":
        return [feature for child in children for feature in feature_folders(child) if child.is_dir()]
    corpus = path.absolute().name
    return [FeatureFolder(corpus, child.name, child) for child in children if is_feature(LocalFolder(child))]
