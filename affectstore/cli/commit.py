"""Publish a feature: swap its catalog for one of the present ledgers; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "publish a feature (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore commit`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--feature", required=True)
    parser.add_argument("--digest", required=True, help="feature digest that was planned")


def main(args: argparse.Namespace) -> int:
    """Commit."""
    from affectstore.cli._job import feature_job
    from affectstore.features.extract import provenance
    from affectstore.features.plan import shard_names
    from affectstore.preflight.judge import STORE
    from affectstore.store.commit import commit

    resolved, features = feature_job(args.config, args.feature, args.digest)
    shards = shard_names(resolved.config.corpora[args.corpus].shards)
    catalog = commit(STORE / args.corpus / args.feature, shards, provenance(features[args.feature]))
    print(f"{args.corpus}/{args.feature}: {catalog}")
    return 0
