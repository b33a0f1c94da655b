"""Score an experiment's predictions: results/runs/... -> results/metrics/{experiment}.parquet; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "score an experiment's predictions (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore score`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--experiment", required=True, help="name of the experiment")


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    from affectstore.jobs.score import score
    from affectstore.paths import RESULTS

    table = score(args.config, args.experiment)
    print(f"{RESULTS.metrics(args.experiment)}: {len(table)} values of {table['cell'].nunique()} cells")
    return 0
