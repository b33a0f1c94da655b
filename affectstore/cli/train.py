"""Train a cell of an experiment on one fold, all its seeds; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "train a cell on one fold, all its seeds (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore train`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--experiment", required=True, help="name of the experiment")
    parser.add_argument("--cell", required=True, help="id of the cell, as in results/runs/")
    parser.add_argument("--fold", type=int, required=True, help="number of the fold")
    parser.add_argument("--digest", required=True, help="digest of the cell's settings that was planned")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: the environment's)")
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="processes that share every batch of a network, each on a GPU of its own or all on the CPU (default: 1)",
    )


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    from affectstore.jobs.imports import kept_imports

    with kept_imports():
        from affectstore.jobs.train import train

    train(
        args.config,
        args.experiment,
        args.cell,
        args.fold,
        args.digest,
        threads=args.threads,
        processes=args.processes,
    )
    return 0
