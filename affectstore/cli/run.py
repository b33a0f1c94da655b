"""Build targets: a corpus, a feature (`crema-d/faces`), an experiment or a file; by default the listed experiments.

Exit status: 0: everything is built; 1: a job failed or the configuration is wrong; 3: everything is built, but clips
were skipped or failed (results/manifests/*.skipped.tsv and `affectstore show` list them); 130: interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

HELP = "build targets (default: the experiments that config.yaml lists)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore run`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="corpus, corpus/feature, experiment, or a file below results/"
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="print the jobs and their reasons, and run nothing"
    )
    parser.add_argument("-j", "--cores", type=int, help="number of cores (default: that of the profile, all)")
    parser.add_argument(
        "--profile", type=Path, help="folder of a Snakemake profile (default: workflow/profiles/default)"
    )
    parser.add_argument("--paranoid", action="store_true", help="hash every media file again, even if unchanged")
    parser.add_argument(
        "--allow-incomplete", action="store_true", help="exit with 0 even if clips were skipped or failed"
    )
    parser.add_argument("--accept-gaps", dest="former", action="store_true", help=argparse.SUPPRESS)


def main(args: argparse.Namespace) -> int:
    """Build the targets and print a summary."""
    from affectstore.errors import UnknownNameError
    from affectstore.runner.passes import run
    from affectstore.runner.summary import summarise

    if args.former:
        raise UnknownNameError("option", "--accept-gaps", (), renamed_to="--allow-incomplete")
    began = time.time()
    outcome = run(args.targets, cores=args.cores, profile=args.profile, dry_run=args.dry_run, paranoid=args.paranoid)
    return summarise(outcome, began, allow_incomplete=args.allow_incomplete, stream=sys.stdout)
