"""Generate the synthetic corpus, or a replica of a corpus that may not be shared: drawn faces, speech by espeak-ng."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "generate the synthetic corpus, or a replica of another one, in a folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore synthesize`."""
    parser.add_argument("--corpus", default="synthetic", help="`synthetic`, or a corpus that has a replica")
    parser.add_argument("--clips", type=int, default=None, help="number of clips; for `synthetic` only (default: 96)")
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of the speakers and their clips (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write the corpus to")
    parser.add_argument(
        "--jobs", type=int, default=None, help="number of processes; for `synthetic` only (default: one per core)"
    )


def main(args: argparse.Namespace) -> int:
    """Generate what is missing, and print the numbers of clips and speakers."""
    from affectstore.corpora.base import CORPORA
    from affectstore.errors import ConfigError

    module = CORPORA.load(args.corpus)
    options = {}
    if args.corpus == "synthetic":
        options = {"clips": 96 if args.clips is None else args.clips, "seed": args.seed}
        module.prepare(args.out, options, args.jobs)
    elif not hasattr(module, "replica"):
        able = [name for name in CORPORA.names() if hasattr(CORPORA.load(name), "replica")]
        raise ConfigError(f"corpus {args.corpus!r} has no replica; `--corpus` takes synthetic, {', '.join(able)}")
    elif args.clips is not None or args.jobs is not None:
        raise ConfigError(f"--clips and --jobs are for the synthetic corpus; the replica of {args.corpus} has one size")
    else:
        module.replica(args.out, args.seed)
    found = module.find(args.out, options)
    print(f"{args.out}: {len(found.clips)} clips of {found.clips['speaker'].nunique()} speakers")
    for item in found.skipped:
        print(f"  skipped {item.path}: {item.reason}")
    return 0
