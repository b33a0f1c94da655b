"""Write an experiment's tables and figures: results/tables/{experiment}.*, results/figures/{experiment}-*."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write an experiment's tables and figures (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore tabulate`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--experiment", required=True, help="name of the experiment")


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    from affectstore.jobs.tabulate import tabulate

    print(tabulate(args.config, args.experiment))
    return 0
