"""Publish a feature: write a catalog of its current ledgers; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "publish a feature (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore commit`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--corpus", required=True, help="name of the corpus in config.yaml")
    parser.add_argument("--feature", required=True, help="name of the feature in config.yaml")
    parser.add_argument("--digest", required=True, help="feature digest that was planned")


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    from affectstore.jobs.commit import commit

    print(f"{args.corpus}/{args.feature}: {commit(args.config, args.corpus, args.feature, args.digest)}")
    return 0
