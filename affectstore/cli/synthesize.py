"""Make the synthetic corpus: talking drawn faces with emotions, from a seed."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make the synthetic corpus in a folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--clips", type=int, default=96, help="number of clips (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other speakers (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the corpus")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")


def main(args: argparse.Namespace) -> int:
    """Make what is missing and say what lies there."""
    from affectstore.corpora import synthetic

    options = {"clips": args.clips, "seed": args.seed}
    synthetic.prepare(args.out, options, args.jobs)
    found = synthetic.find(args.out, options)
    print(f"{args.out}: {len(found.clips)} clips of {found.clips['speaker'].nunique()} speakers")
    for item in found.skipped:
        print(f"  skipped {item.path}: {item.reason}")
    return 0
