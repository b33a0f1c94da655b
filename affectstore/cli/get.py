"""Fetch the arrays of clips: print them, or write them to a .npy or .npz file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "fetch clips of a feature"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore get`."""
    parser.add_argument("feature", help="folder of a feature, CORPUS/FEATURE, or an fsspec address")
    parser.add_argument("clips", nargs="+", metavar="CLIP", help="clip ids")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="FILE.npy for the values of one clip, FILE.npz for all arrays of any number: values under the "
        "clip's id, the others under CLIP/ARRAY",
    )


def main(args: argparse.Namespace) -> int:
    """Print or write."""
    import numpy as np

    from affectstore.errors import StoreError
    from affectstore.store.client import open_feature
    from affectstore.wording import counted

    feature = open_feature(args.feature)
    if args.output is None:
        for clip_id in args.clips:
            for name, array in feature.arrays(clip_id).arrays.items():
                print(f"{clip_id} {name} {array.shape} {array.dtype}\n{array}")
        return 0
    if args.output.suffix == ".npy":
        if len(args.clips) != 1:
            raise StoreError(f"a .npy file holds one clip, {len(args.clips)} were asked for; name the output .npz")
        np.save(args.output, feature[args.clips[0]], allow_pickle=False)
    elif args.output.suffix == ".npz":
        named: dict[str, Any] = {}
        for clip_id in args.clips:
            for name, array in feature.arrays(clip_id).arrays.items():
                named[clip_id if name == "values" else f"{clip_id}/{name}"] = array
        np.savez(args.output, **named)
    else:
        raise StoreError(f"output {args.output}: the name has to end in .npy or .npz")
    print(f"{args.output}: {counted(len(args.clips), 'clip')} of {feature.name}")
    return 0
