"""Assign the clips of a corpus to folds and subsets; a job of the DAG."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "assign the clips of a corpus to folds and subsets (a job of the DAG)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore split`."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--protocol", required=True, help="name of a file in affectstore/splits/")


def main(args: argparse.Namespace) -> int:
    """Split, check, and write the split with its digest; a copy goes beside the published features."""
    from affectstore.config.resolve import load_resolved
    from affectstore.digest import canonical_json
    from affectstore.errors import UnknownNameError
    from affectstore.lock import lock_job
    from affectstore.preflight.judge import STORE
    from affectstore.preflight.scan import manifest_path, read_manifest
    from affectstore.splits.base import PROTOCOLS, check_protocol, write_split

    lock_job()
    resolved = load_resolved(args.config)
    if args.corpus not in resolved.config.corpora:
        raise UnknownNameError("corpus in config.yaml", args.corpus, resolved.config.corpora)
    check_protocol(args.protocol)
    clips = read_manifest(manifest_path(args.corpus))
    split = PROTOCOLS.load(args.protocol).split(clips)
    folders = [Path("results/splits") / args.corpus, STORE / args.corpus / "splits"]
    print(canonical_json(write_split(split, args.corpus, args.protocol, clips, folders)))
    return 0
