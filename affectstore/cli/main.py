"""`affectstore VERB ...`: every file of this folder is a command that declares HELP, add_arguments and main."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from affectstore.errors import AffectstoreError
from affectstore.registry import Registry

VERBS: Registry[Any] = Registry("verb", ("affectstore.cli",), ("HELP", "add_arguments", "main"))
#: Exit status after Ctrl-C, as in shells.
INTERRUPTED = 130


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of all commands, or of one, so that a job does not import the others."""
    parser = argparse.ArgumentParser(
        prog="affectstore", description="Feature store and experiments for emotion recognition."
    )
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in VERBS.names():
        if name == "main" or (only is not None and name != only):
            continue
        module = VERBS.load(name)
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(main=module.main)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; an AffectstoreError is one message and exit status 1, without a traceback."""
    argv = sys.argv[1:] if argv is None else list(argv)
    only = argv[0] if argv and argv[0] in VERBS.names() and argv[0] != "main" else None
    args = build_parser(only).parse_args(argv)
    try:
        return args.main(args) or 0
    except AffectstoreError as error:
        print(f"affectstore {args.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"affectstore {args.verb}: interrupted; finished results are kept, and the next run continues from them",
            file=sys.stderr,
        )
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
