"""Publication of a feature."""

from __future__ import annotations

from pathlib import Path

from affectstore.features.extract import provenance
from affectstore.features.plan import shard_names
from affectstore.jobs.begin import begin_feature_job
from affectstore.paths import RESULTS
from affectstore.store import commit as publication
from affectstore.store.index.catalog import Catalog


def commit(config: Path, corpus: str, feature: str, digest: str) -> Catalog:
    """Publish a feature: replace its catalog by one of the present ledgers.

    Args:
        config: Resolved configuration of the run.
        corpus: The corpus.
        feature: The feature.
        digest: Feature digest that was planned.
    """
    resolved, features = begin_feature_job(config, feature, digest)
    shards = shard_names(resolved.config.corpora[corpus].shards)
    return publication.commit(RESULTS.feature(corpus, feature), shards, provenance(features[feature]))
