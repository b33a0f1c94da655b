"""Show a feature with the states of its clips, or one clip."""

from __future__ import annotations

import argparse

HELP = "show a feature's provenance, arrays and clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore show`."""
    parser.add_argument("feature", help="folder of a feature, CORPUS/FEATURE, or an fsspec address")
    parser.add_argument("clip", nargs="?", help="one clip: its rows, time grid, digest and value ranges")
    parser.add_argument("--clips", action="store_true", help="list every clip, not just those without arrays")


def main(args: argparse.Namespace) -> int:
    """Print the feature or the clip."""
    from affectstore.store.client import open_feature
    from affectstore.store.listing import describe_clip, describe_feature

    feature = open_feature(args.feature)
    print(describe_feature(feature, args.clips) if args.clip is None else describe_clip(feature, args.clip))
    return 0
