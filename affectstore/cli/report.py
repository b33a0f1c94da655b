"""Write results/report.html: tables, figures, corpora, store and provenance on one self-contained page."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write results/report.html (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore report`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument(
        "--experiment",
        action="append",
        default=[],
        help="experiment to show; may be repeated (default: all that have a table)",
    )


def main(args: argparse.Namespace) -> int:
    """Run the job and print its result."""
    from affectstore.jobs.report import report
    from affectstore.paths import RESULTS

    print(f"{RESULTS.report}: {', '.join(report(args.config, args.experiment)) or 'no experiment'}")
    return 0
