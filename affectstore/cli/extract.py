"""Compute one feature of one shard; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "compute one feature of one shard (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore extract`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--corpus", required=True, help="name of the corpus in config.yaml")
    parser.add_argument("--feature", required=True, help="name of the feature in config.yaml")
    parser.add_argument("--shard", required=True, help="name of the shard, such as 003")
    parser.add_argument("--digest", required=True, help="feature digest that was planned")


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    import json

    from affectstore.jobs.extract import extract

    print(json.dumps(extract(args.config, args.corpus, args.feature, args.shard, args.digest)))
    return 0
