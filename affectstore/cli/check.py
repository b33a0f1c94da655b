"""Check a folder that should hold a corpus: list clips that are present, missing or would be left out, with reasons.

It reads names, tables and file sizes, and opens some of the files. It hashes and writes nothing, so it takes seconds,
and needs no config.yaml.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectstore.corpora.base import SkippedClip

HELP = "check in seconds if a folder holds a corpus, and list missing and unusable clips"
_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore check`."""
    parser.add_argument("corpus", help="name of the corpus: crema-d, ravdess, iemocap, folder, ...")
    parser.add_argument("root", type=Path, help="folder to check")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="option of the corpus, as in config.yaml (channel=both, columns={label: emotion}); may be repeated",
    )


def main(args: argparse.Namespace) -> int:
    """Print the check; the exit status is 3 if files or clips would be left out, 1 if no clip is usable."""
    from affectstore.corpora.base import CORPORA
    from affectstore.errors import CorpusError
    from affectstore.preflight.folder_check import check_folder
    from affectstore.runner.summary import INCOMPLETE

    options = _options(CORPORA.load(args.corpus), args.corpus, args.option)
    check = check_folder(args.corpus, args.root, options)
    print("\n".join(check.lines))
    _print_skipped(check.skipped)
    if not check.usable:
        raise CorpusError(f"corpus {args.corpus!r}: no usable clip in {args.root}")
    return INCOMPLETE if check.skipped else 0


def _options(module: ModuleType, corpus: str, given: list[str]) -> Mapping[str, Any]:
    import yaml

    from affectstore.config.messages import validated
    from affectstore.errors import ConfigError

    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option {text!r}: write KEY=VALUE, such as channel=both")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--option {text!r}: {value!r} is not YAML: {error}") from None
    if hasattr(module, "Options"):
        validated(module.Options, options, f"options of {corpus}")
    elif options:
        raise ConfigError(f"{corpus} has no options, found {sorted(options)}")
    return options


def _print_skipped(skipped: Sequence[SkippedClip]) -> None:
    """Print skipped clips by reason, the most frequent first; quoted names are removed so that reasons are grouped."""
    import re
    from collections import defaultdict

    by_reason = defaultdict(list)
    for skip in skipped:
        by_reason[re.sub(r"'[^']*'", "...", skip.reason)].append(skip)
    print(f"{len(skipped)} would be left out" + (":" if skipped else ""))
    for reason, skips in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        names = ", ".join(skip.path or skip.clip_id for skip in skips[:_SHOWN])
        print(f"  {len(skips)}: {reason} ({names}{', ...' if len(skips) > _SHOWN else ''})")
