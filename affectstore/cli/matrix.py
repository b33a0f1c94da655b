"""Print the encoder-fusion matrix: pairs that can be trained, and the reasons why the others cannot."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "print the valid pairs of encoders and fusions, and the reasons why others are not"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore matrix`."""
    parser.add_argument("--markdown", action="store_true", help="print a Markdown page (docs/matrix.md)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the matrix into FILE, too (.svg, .png, .pdf)")
    parser.add_argument("--picture", dest="former", nargs="?", const="", help=argparse.SUPPRESS)


def main(args: argparse.Namespace) -> int:
    """Print the matrix, and draw it if --figure names a file."""
    from affectstore.errors import UnknownNameError
    from affectstore.reference.matrix import matrix

    if args.former is not None:
        raise UnknownNameError("option", "--picture", (), renamed_to="--figure")
    found = matrix()
    print(found.markdown if args.markdown else found.text)
    if args.figure is not None:
        found.save_figure(args.figure)
    return 0
