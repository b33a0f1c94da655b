"""What the report says of corpora and of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from affectstore.corpora.base import Card
from affectstore.evaluation.places import MANIFESTS, unreadable


@dataclass(frozen=True)
class FeatureOverview:
    """One feature of one corpus.

    Attributes:
        name: of the feature.
        shards: how many ledgers there are.
        statuses: status ("ok", "failed", "not_applicable") -> clips.
        reasons: reason of failed clips -> clips.
        rows: rows of all clips together.
        bytes: size on disk.
        digest: of the feature's definition; several where shards are of different ages.
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
    """One corpus as it was scanned.

    Attributes:
        card: what is known of it.
        clips, speakers: numbers of the manifest; none where it was not scanned here.
        labels: intended label -> clips.
        skipped: reason -> files and clips that were left out.
        features: what the store has of it.
    """

    card: Card
    clips: int | None
    speakers: int | None
    labels: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    features: tuple[FeatureOverview, ...] = ()


def read_corpus(card: Card, features: tuple[FeatureOverview, ...] = ()) -> CorpusOverview:
    """A corpus from its manifest and the list of what was skipped, where it was scanned.

    Args:
        card: of the corpus.
        features: what the store has of it.
    """
    manifest = MANIFESTS / f"{card.name}.parquet"
    clips = pd.read_parquet(manifest) if manifest.is_file() else None
    return CorpusOverview(
        card=card,
        clips=None if clips is None else len(clips),
        speakers=None if clips is None else int(clips["speaker"].nunique()),
        labels={} if clips is None else {str(k): int(v) for k, v in clips["label_intended"].value_counts().items()},
        skipped=unreadable(card.name),
        features=features,
    )
