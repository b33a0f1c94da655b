"""Overview of corpora and stored features, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from affectstore.corpora.base import Card
from affectstore.evaluation.results import skipped_by_scan
from affectstore.paths import RESULTS


@dataclass(frozen=True)
class FeatureOverview:
    """One feature of one corpus.

    Attributes:
        name: Name of the feature.
        shards: Number of ledgers.
        statuses: Status ("ok", "failed", "not_applicable") -> number of clips.
        reasons: Reason of failure -> number of clips.
        rows: Number of rows of all clips.
        bytes: Size on disk.
        digest: Feature digest; several if shards were written under different definitions.
    """

    name: str
    shards: int
    statuses: Mapping[str, int]
    reasons: Mapping[str, int]
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class CorpusOverview:
    """One scanned corpus.

    Attributes:
        card: Card of the corpus.
        clips, speakers: Numbers of clips and speakers in the manifest; None without a manifest.
        labels: Intended label -> number of clips.
        skipped: Reason -> number of files and clips that the scan skipped.
        features: Its features in the store.
    """

    card: Card
    clips: int | None
    speakers: int | None
    labels: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    features: tuple[FeatureOverview, ...] = ()


def read_corpus(card: Card, features: tuple[FeatureOverview, ...] = ()) -> CorpusOverview:
    """Read the overview of a corpus from its manifest and its list of skipped files, where they exist.

    Args:
        card: Card of the corpus.
        features: Its features in the store.
    """
    manifest = RESULTS.manifest(card.name)
    clips = pd.read_parquet(manifest) if manifest.is_file() else None
    return CorpusOverview(
        card=card,
        clips=None if clips is None else len(clips),
        speakers=None if clips is None else int(clips["speaker"].nunique()),
        labels={} if clips is None else {str(k): int(v) for k, v in clips["label_intended"].value_counts().items()},
        skipped=skipped_by_scan(card.name),
        features=features,
    )
