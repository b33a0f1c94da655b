"""Assign the clips of a corpus to folds and subsets; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "assign the clips of a corpus to folds and subsets (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore split`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--corpus", required=True, help="name of the corpus in config.yaml")
    parser.add_argument("--protocol", required=True, help="name of a file in affectstore/splits/")


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    from affectstore.digest import canonical_json
    from affectstore.jobs.split import split

    print(canonical_json(split(args.config, args.corpus, args.protocol)))
    return 0
