"""Extraction of one feature of one shard."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from affectstore.features.extract import extract_shard
from affectstore.files import write_atomic
from affectstore.jobs.begin import begin_feature_job
from affectstore.paths import RESULTS
from affectstore.store.job_stats import read_stats, stats_path


def extract(config: Path, corpus: str, feature: str, shard: str, digest: str) -> dict[str, Any]:
    """Compute one feature of one shard, and write counts beside its ledger.

    Args:
        config: Resolved configuration of the run.
        corpus: The corpus.
        feature: The feature.
        shard: The shard.
        digest: Feature digest that was planned.

    Returns:
        The counts; see `affectstore.features.extract.Counts`.
    """
    resolved, features = begin_feature_job(config, feature, digest)
    counts = extract_shard(
        features,
        feature,
        shard,
        corpus_dir=RESULTS.store(corpus),
        plan_path=RESULTS.plan(corpus, shard),
        root=resolved.root(corpus),
        codec=resolved.config.features[feature].codec,
    )
    path, written = stats_path(RESULTS.feature(corpus, feature), shard), asdict(counts)
    if counts.clip_s is None:  # nothing was computed: the last known cost of a clip is kept
        written["clip_s"] = read_stats(path).get("clip_s")
    write_atomic(path, (json.dumps(written) + "\n").encode())
    return written
