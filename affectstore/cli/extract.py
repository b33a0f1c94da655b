"""Compute one feature of one shard; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "compute one feature of one shard (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore extract`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--feature", required=True)
    parser.add_argument("--shard", required=True)
    parser.add_argument("--digest", required=True, help="feature digest that was planned")


def main(args: argparse.Namespace) -> int:
    """Extract, and write the counts beside the ledger."""
    import json
    from dataclasses import asdict

    from affectstore.cli._job import feature_job
    from affectstore.cli._stats import read_stats, stats_path
    from affectstore.features.extract import extract_shard
    from affectstore.files import write_atomic
    from affectstore.preflight.judge import STORE
    from affectstore.preflight.plan import PLANS

    resolved, features = feature_job(args.config, args.feature, args.digest)
    corpus_dir = STORE / args.corpus
    counts = extract_shard(
        features,
        args.feature,
        args.shard,
        corpus_dir=corpus_dir,
        plan_path=PLANS / args.corpus / f"{args.shard}.tsv",
        root=resolved.root(args.corpus),
        codec=resolved.config.features[args.feature].codec,
    )
    path = stats_path(corpus_dir / args.feature, args.shard)
    written = asdict(counts)
    if counts.clip_s is None:  # nothing was computed: what a clip costs is still what it was
        written["clip_s"] = read_stats(path).get("clip_s")
    line = json.dumps(written)
    write_atomic(path, (line + "\n").encode())
    print(line)
    return 0
