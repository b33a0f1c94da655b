"""Read the arrays of clips, and print them or write them to a .npy or .npz file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "read clips of a feature"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore get`."""
    parser.add_argument("feature", help="CORPUS/FEATURE, folder of a feature, or fsspec address")
    parser.add_argument("clips", nargs="+", metavar="CLIP", help="clip ids")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="FILE.npy for the values of one clip, FILE.npz for all arrays of several clips: values are named by the "
        "clip's id, other arrays CLIP/ARRAY",
    )


def main(args: argparse.Namespace) -> int:
    """Print or write the arrays."""
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
            raise StoreError(f"a .npy file holds one clip, got {len(args.clips)} clips; name the output FILE.npz")
        np.save(args.output, feature[args.clips[0]], allow_pickle=False)
    elif args.output.suffix == ".npz":
        named: dict[str, Any] = {}
        for clip_id in args.clips:
            for name, array in feature.arrays(clip_id).arrays.items():
                named[clip_id if name == "values" else f"{clip_id}/{name}"] = array
        np.savez(args.output, **named)
    else:
        raise StoreError(f"output {args.output}: the name must end in .npy or .npz")
    print(f"{args.output}: {counted(len(args.clips), 'clip')} of {feature.name}")
    return 0
