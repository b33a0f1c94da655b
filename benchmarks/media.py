"""The clips that are measured: CREMA-D's, where AFFECTSTORE_DATA names a copy, or drawn ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.main import Config
from affectstore.corpora.base import CORPORA
from affectstore.features.extract import extract_shard
from affectstore.features.keys import FeatureInstance, features_of
from affectstore.paths import Results
from affectstore.preflight.plan import plan_columns
from affectstore.preflight.scan import scan
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger

#: What the budget of extraction is for; upstream ones first.
FEATURES = ("audio", "mel", "mel_image", "frames", "mel_chunks", "faces", "lld")
#: What is measured besides, under its name here.
MORE: Mapping[str, Mapping[str, Any]] = {
    "lld130": {"extractor": "lld", "options": {"deltas": True, "window_ms": 32, "step_ms": 16}},
    "functionals": {"extractor": "functionals"},
    "egemaps": {"extractor": "functionals", "options": {"set": "eGeMAPSv02"}},
    "mfcc": {"extractor": "mfcc"},
    "frame_pairs": {"extractor": "frame_pairs"},
    "faces_all": {"extractor": "faces", "options": {"at": "all", "detect_every": 5}},
}


@dataclass(frozen=True)
class Clips:
    """Clips on disk and their plan.

    Attributes:
        corpus, root: Which, and their folder.
        plan: One row a clip.
        features: Every feature of `FEATURES` under its default options, and those of `MORE`.
    """

    corpus: str
    root: Path
    plan: pd.DataFrame
    features: Mapping[str, FeatureInstance]

    def __str__(self) -> str:
        return f"{len(self.plan)} clips of {self.corpus}"

    @property
    def videos(self) -> list[Path]:
        """The picture file of each clip; here it holds the sound too."""
        return [self.root / path for path in self.plan["video_path"]]

    def first(self, count: int) -> Clips:
        """The first ones alone."""
        return Clips(self.corpus, self.root, self.plan.iloc[:count], self.features)

    def extract(self, name: str, folder: Path, shard: str = "000") -> Ledger:
        """Extract one feature of these clips as one shard of a store in `folder`, as a job does."""
        folder.mkdir(parents=True, exist_ok=True)
        plan_path = folder / f"{shard}.tsv"
        if not plan_path.exists():
            self.plan.to_csv(plan_path, sep="\t", index=False)
        extract_shard(
            self.features, name, shard, corpus_dir=folder / "store", plan_path=plan_path, root=self.root, codec=None
        )
        return Ledger.read(folder / "store" / name / "shards" / f"{shard}.json")

    def publish(self, names: tuple[str, ...], folder: Path) -> Path:
        """Extract and publish; the store's folder."""
        for name in names:
            self.extract(name, folder)
            commit(folder / "store" / name, ["000"], {})
        return folder / "store"


def some_clips(count: int, folder: Path) -> Clips:
    """`count` clips, evenly spread over the copy of CREMA-D, or drawn into `folder`."""
    data = os.environ.get("AFFECTSTORE_DATA")
    corpus, root = ("crema-d", Path(data) / "crema-d") if data else ("synthetic", folder / "media")
    options = {"audio": "flv"} if data else {"clips": count}
    module = CORPORA.load(corpus)
    if hasattr(module, "prepare"):
        module.prepare(root, options)
    plan = plan_columns(scan(corpus, root, options, results=Results(folder)).clips)
    plan = plan.iloc[:: max(1, len(plan) // count)].iloc[:count].reset_index(drop=True)
    return Clips(corpus, root, plan, default_features())


def default_features() -> dict[str, FeatureInstance]:
    """`FEATURES` under their default options, and `MORE`."""
    features = {**{name: {"extractor": name} for name in FEATURES}, **MORE}
    return features_of(Config.model_validate({"corpora": {}, "features": features, "experiments": []}))
