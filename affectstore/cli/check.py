"""Look at a folder that should hold a corpus: what is there, what is missing, what would be left out and why.

Names and tables are read, every file is looked at for its size, and some are opened; nothing is hashed and
nothing is written, so it takes seconds, and needs no config.yaml.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from affectstore.corpora.base import Card, Found, Skipped

HELP = "look at a folder that should hold a corpus, in seconds: what is there, missing or left out"
#: Media files that are opened, spread over all.
_OPENED = 60
_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore check`."""
    parser.add_argument("corpus", help="a corpus by the name of its file: crema-d, ravdess, iemocap, folder, ...")
    parser.add_argument("root", type=Path, help="the folder")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the corpus, as in config.yaml (channel=both, columns={label: emotion}); may be repeated",
    )


def main(args: argparse.Namespace) -> int:
    """Print what was found; the exit status is 3 where files or clips would be left out, 1 where nothing is usable."""
    from affectstore.cli._summary import GAPS
    from affectstore.corpora.base import CORPORA
    from affectstore.errors import CorpusError
    from affectstore.preflight.scan import against_card, check_found

    module = CORPORA.load(args.corpus)
    found: Found = module.find(args.root, _options(args.option))
    check_found(found.clips, module.CARD)
    skipped = [*found.skipped, *_unusable(found, args.root)]
    lines = [f"{module.CARD.title}", *_counts(found, module.CARD), *found.notes]
    if found.absent:
        lines.append(f"{found.absent} clips that the corpus lists have no media in this copy")
    if len(found.clips) == (found.expected or module.CARD.counts).get("clips"):
        wrong = against_card(found.clips, found.expected or module.CARD.counts)
        lines += wrong or ["all numbers are those of the complete corpus"]
    print("\n".join(lines))
    _print_skipped(skipped)
    if len({skip.clip_id for skip in skipped} & set(found.clips["clip_id"])) == len(found.clips):
        raise CorpusError(f"corpus {args.corpus!r}: no usable clip in {args.root}")
    return GAPS if skipped else 0


def _options(given: list[str]) -> dict[str, Any]:
    import yaml

    from affectstore.errors import ConfigError

    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option {text!r}: say KEY=VALUE, such as channel=both")
        options[key] = yaml.safe_load(value)
    return options


def _counts(found: Found, card: Card) -> list[str]:
    clips: pd.DataFrame = found.clips
    lines = [f"{len(clips)} clips of {clips['speaker'].nunique()} speakers"]
    for column in (name for name in clips if name.startswith("label_") or name in ("split", "level")):
        counts = clips[column].value_counts()
        order = [value for value in card.labels if value in counts.index] or sorted(counts.index)
        if len(counts):
            without = int(clips[column].isna().sum())
            listed = ", ".join(
                f"{value} {counts[value]}" for value in [*order, *sorted(set(counts.index) - set(order))]
            )
            lines.append(f"{column}: {listed}" + (f"; without {without}" if without else ""))
    for kind, word in (("audio", "sound"), ("video", "picture"), ("words", "word times")):
        lines.append(f"{word}: {int(clips[f'{kind}_path'].notna().sum())} clips")
    return lines


def _unusable(found: Found, root: Path) -> list[Skipped]:
    """Clips whose files are missing or empty, and what is wrong with some files that were opened."""
    import numpy as np

    from affectstore.corpora.base import Skipped
    from affectstore.media.probe import probe

    clips = found.clips
    owner = {}
    for kind in ("audio", "video"):
        there = clips[f"{kind}_path"].notna()
        owner |= dict(zip(clips.loc[there, f"{kind}_path"], clips.loc[there, "clip_id"], strict=True))
    problems: dict[str, str] = {}
    for path in owner:
        try:
            if not (root / path).stat().st_size:
                problems[path] = "the file is empty (0 bytes)"
        except OSError as error:
            problems[path] = "the file is missing" if isinstance(error, FileNotFoundError) else str(error.strerror)
    sound = [path for path in sorted(owner) if path not in problems]
    for index in np.unique(np.linspace(0, len(sound) - 1, min(_OPENED, len(sound))).astype(int)):
        problem = probe(root / sound[index]).problem
        if problem:
            problems[sound[index]] = f"{problem} (one of {min(_OPENED, len(sound))} files that were opened)"
    return [Skipped(owner[path], path, problem) for path, problem in problems.items()]


def _print_skipped(skipped: list[Skipped]) -> None:
    """By reason, the most frequent first; names in reasons are left out, so that like goes with like."""
    import re
    from collections import defaultdict

    by_reason = defaultdict(list)
    for skip in skipped:
        by_reason[re.sub(r"'[^']*'", "...", skip.reason)].append(skip)
    print(f"{len(skipped)} would be left out" + (":" if skipped else ""))
    for reason, skips in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        names = ", ".join(skip.path or skip.clip_id for skip in skips[:_SHOWN])
        print(f"  {len(skips)}: {reason} ({names}{', ...' if len(skips) > _SHOWN else ''})")
