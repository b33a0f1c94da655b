"""List the published weights that features and encoders use, and where to get missing ones; or fetch a file."""

from __future__ import annotations

import argparse

HELP = "list published weights with users, state and place; or fetch a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore weights`."""
    parser.add_argument("--fetch", metavar="NAME", help="download this file into weights/, where the network allows")
    parser.add_argument("--paranoid", action="store_true", help="compute every digest again, even of unchanged files")


def main(args: argparse.Namespace) -> int:
    """Print the listing, or fetch; the exit status is 1 if a file is not the published one."""
    from affectstore.weights.fetch import fetch
    from affectstore.weights.find import search_folders
    from affectstore.weights.known import KNOWN
    from affectstore.weights.listing import list_weights
    from affectstore.wording import as_columns

    if args.fetch:
        weights = fetch(args.fetch)
        verified = "the published file" if KNOWN[args.fetch].sha256 else "no published digest to compare it with"
        print(f"{weights.path}: sha256 {weights.sha256}, {verified}")
        return 0
    lines = list_weights(args.paranoid)
    head = ("file or model", "used by", "MB", "state", "digest", "where")
    body = [(line.name, line.used_by, line.size, line.state, line.digest, line.where) for line in lines]
    print(as_columns([head, *body], right={2}))
    looked = dict.fromkeys(str(folder) for known in KNOWN.values() for folder in search_folders(known))
    print(f"\nfiles are looked for in: {', '.join(looked)}")
    for line in lines:
        if line.advice:
            print(f"\n{line.name}: {line.advice}")
    print("\n`affectstore weights --fetch FILE` downloads a file; `weights: random` needs none, and is for tests only.")
    return int(any(line.state == "wrong" for line in lines))
