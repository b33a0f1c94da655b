"""Show a feature and its clips, or one clip."""

from __future__ import annotations

import argparse

HELP = "show a feature's provenance, arrays and clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore show`."""
    parser.add_argument("feature", help="CORPUS/FEATURE, folder of a feature, or fsspec address")
    parser.add_argument("clip", nargs="?", help="clip id: show its rows, time grid, digest and value ranges")
    parser.add_argument("--clips", action="store_true", help="list all clips, not only those without arrays")


def main(args: argparse.Namespace) -> int:
    """Print the feature or the clip."""
    from affectstore.store.client import open_feature
    from affectstore.store.listing import describe_clip, describe_feature

    feature = open_feature(args.feature)
    print(describe_feature(feature, args.clips) if args.clip is None else describe_clip(feature, args.clip))
    return 0
