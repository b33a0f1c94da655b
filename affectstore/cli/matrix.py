"""Print which encoders go with which fusions, and why the others do not."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "encoders x fusions: which pairs can be trained, and why the others cannot"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore matrix`."""
    parser.add_argument("--markdown", action="store_true", help="as a Markdown page (docs/matrix.md)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it, too (.svg, .png, .pdf)")


def main(args: argparse.Namespace) -> int:
    """Print it, and draw it where a file is named."""
    from affectstore.models.cells.matrix import matrix

    found = matrix()
    print(found.markdown if args.markdown else found.text)
    if args.picture is not None:
        from affectstore.cli._matrix_picture import draw

        draw(found, args.picture)
    return 0
