"""Reader of a corpus' store: its clips, its splits, its features."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.errors import AbsentError, StoreError, did_you_mean
from affectstore.store.aligned import Aligned, By
from affectstore.store.feature import Feature
from affectstore.store.folders import Folder, LocalFolder, RemoteFolder
from affectstore.store.paths import CLIPS, SPLITS, feature_folders, is_feature_name, is_published, kind_of, resolve


class Store:
    """The features of one corpus: `store["mel"]["1001_DFA_ANG_XX"]`.

    Attributes:
        address: Address of its folder.
    """

    def __init__(self, folder: Folder):
        self._folder, self.address = folder, str(folder)
        self._opened: dict[str, Feature] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self._folder,)

    def __repr__(self) -> str:
        return f"<Store {self.address}: {', '.join(self.features) or 'no features'}>"

    @cached_property
    def clips(self) -> pd.DataFrame:
        """One row per clip: labels, speaker, durations, media.

        Raises:
            StoreError: The table was not published with the store.
        """
        return self._table(CLIPS, "the table of clips")

    def split(self, protocol: str) -> pd.DataFrame:
        """Read the split of one protocol: fold, clip_id, subset and reason.

        Raises:
            AbsentError: The store has no such split.
        """
        files = self._folder.child(SPLITS).names()
        known = [name.removesuffix(".parquet") for name in files if name.endswith(".parquet")]
        if not is_feature_name(protocol) or (known and protocol not in known):
            raise AbsentError(f"{self.address} has no split {protocol!r}; {did_you_mean(protocol, sorted(known))}")
        return self._table(f"{SPLITS}/{protocol}.parquet", f"split {protocol!r}")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the published features."""
        return tuple(name for name in self._folder.folders() if is_published(self._folder.child(name)))

    def __getitem__(self, name: str) -> Feature:
        """Open a feature on the snapshot published now; the same object the next time.

        Raises:
            AbsentError: The store has no such feature.
        """
        if name not in self._opened:
            folder = self._folder.child(name)
            if not is_feature_name(name) or not is_published(folder):
                raise AbsentError(f"{self.address} has no feature {name!r}; {did_you_mean(name, self.features)}")
            self._opened[name] = Feature(folder, name)
        return self._opened[name]

    def align(self, feature: str, to: str, by: By = "nearest") -> Aligned:
        """Align a feature to the rows of another: `store.align("lld", to="frames", by="mean")[clip_id]`.

        Args:
            feature: Feature that provides the values.
            to: Feature that provides the rows, with a grid or times: frames, chunks, LLDs, words.
            by: `nearest` row, `mean` of the rows inside, or mean weighted by `overlap` (`Aligned`).

        Raises:
            AbsentError: The store has no such feature.
            StoreError: `by` is none of the three, or the feature has no mean.
        """
        return Aligned(self[feature], self[to], by)

    def timetable(self, clip_id: str, features: Sequence[str] = ()) -> pd.DataFrame:
        """Tabulate begin and end of every row of a clip, over several features, on one time axis.

        Args:
            clip_id: Id of the clip.
            features: Names of the features; by default all that the clip has with known times.

        Returns:
            Columns feature, row, start_s, end_s, in the order of time.

        Raises:
            AbsentError: There is no such feature, or a feature that was named lacks the clip.
            StoreError: The times of a feature that was named are not known.
        """
        parts = []
        for name in features or self.features:
            try:
                spans = self[name].spans_s(clip_id)
            except StoreError:  # absent, or without times
                if features:
                    raise
                continue
            columns = {"feature": name, "row": range(len(spans)), "start_s": spans[:, 0], "end_s": spans[:, 1]}
            parts.append(pd.DataFrame(columns))
        if not parts:
            raise AbsentError(f"{self.address}: no feature has rows of clip {clip_id!r}")
        return pd.concat(parts).sort_values(["start_s", "end_s", "feature", "row"], ignore_index=True)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and is_feature_name(name) and is_published(self._folder.child(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def _table(self, name: str, what: str) -> pd.DataFrame:
        try:
            data = self._folder.read(name)
        except FileNotFoundError:
            raise AbsentError(f"{self._folder}/{name} is missing: {what} was not published with this store") from None
        return pd.read_parquet(io.BytesIO(data))


def open_store(address: str | os.PathLike[str]) -> Store:
    """Open the store of one corpus.

    Args:
        address: A folder (`results/store/crema-d`), or an fsspec address (`zip://crema-d::store.zip`, `https://...`,
            `s3://...`).

    Raises:
        StoreError: There is no store there, or the address is that of several stores or of one feature.
    """
    folder = folder_at(address)
    kind = kind_of(folder)
    if kind == "store":
        return Store(folder)
    if kind == "stores":
        corpora = [name for name in folder.folders() if kind_of(folder.child(name)) == "store"]
        raise StoreError(f"{folder} holds the stores of several corpora; open one of them: {', '.join(corpora)}")
    if kind == "feature":
        raise StoreError(f"{folder} is one feature; open the folder above it, then store[{Path(str(address)).name!r}]")
    if isinstance(folder, LocalFolder) and not folder.root.is_dir():
        raise StoreError(f"there is no folder {folder.root.absolute()}")
    raise StoreError(f"{folder} is not a store: it has neither {CLIPS} nor a folder with a catalog.json")


def folder_at(address: str | os.PathLike[str]) -> Folder:
    """Open the folder at a path or an fsspec address."""
    text = os.fspath(address)
    return RemoteFolder.from_url(text) if "://" in text or "::" in text else LocalFolder(Path(text))


def open_feature(address: str) -> Feature:
    """Open a feature.

    Args:
        address: `results/store/crema-d/mel`, `crema-d/mel`, or an fsspec address.

    Raises:
        StoreError: There is no feature there.
    """
    if "://" in address or "::" in address:
        # zip://crema-d/mel::store.zip: the feature is the last part of the first link
        first, *chained = address.split("::")
        corpus, _, name = first.rstrip("/").rpartition("/")
        return Store(folder_at("::".join([corpus, *chained])))[name]
    path = resolve(address)
    if kind_of(folder_at(path)) == "feature":
        return Feature(folder_at(path), path.absolute().name)
    known = ", ".join(map(str, feature_folders(path)))
    raise StoreError(f"{address} is no feature; name one of: {known}")
