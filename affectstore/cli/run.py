"""Build targets: the default tables, a corpus, a feature (`crema-d/faces`), an experiment or a table.

Exit status: 0 all is built; 1 a job failed or the configuration is wrong; 3 all is built, but clips
were skipped or failed (they are named in results/manifests/*.skipped.tsv and by `affectstore show`);
130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HELP = "build targets (default: the tables that config.yaml names)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore run`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="corpus, corpus/feature, experiment, or a file below results/"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would run, and why; run nothing")
    parser.add_argument("-j", "--cores", type=int, help="cores to use (default: what the profile says, all of them)")
    parser.add_argument(
        "--profile", type=Path, help="folder of a Snakemake profile (default: workflow/profiles/default)"
    )
    parser.add_argument(
        "--paranoid", action="store_true", help="hash every media file again, whatever its size and time say"
    )
    parser.add_argument(
        "--accept-gaps", action="store_true", help="exit with 0 also where clips were skipped or failed"
    )


def main(args: argparse.Namespace) -> int:
    """Settle, run the passes, sum up."""
    from affectstore.cli._passes import run_passes
    from affectstore.cli._summary import summarise

    began = time.time()
    outcome = run_passes(args)
    return summarise(outcome, began, accept_gaps=args.accept_gaps, stream=sys.stdout)
