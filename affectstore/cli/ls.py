"""List the contents of stores, one line per feature."""

from __future__ import annotations

import argparse

HELP = "list corpora and features"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore ls`."""
    parser.add_argument(
        "path", nargs="?", default="results/store", help="folder of stores, corpus or feature (default: results/store)"
    )


def main(args: argparse.Namespace) -> int:
    """Print the list; the exit status is 1 if a catalog cannot be read."""
    from affectstore.store.listing import list_features

    text, readable = list_features(args.path)
    print(text)
    return 0 if readable else 1
