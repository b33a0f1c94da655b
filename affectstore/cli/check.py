"""Look at a folder that should hold a corpus: what is there, what is missing, what would be left out and why.

Names and tables are read, every file is looked at for its size, and some are opened; nothing is hashed and
nothing is written, so it takes seconds, and needs no config.yaml.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from affectstore.corpora.base import Card, ScanResult, SkippedClip

HELP = "look at a folder that should hold a corpus, in seconds: what is there, missing or left out"
#: Files that are opened, spread over all; fewer where that would take longer.
_OPENED = 60
_SECONDS = 10
_SHOWN = 3
#: Part of a circle by which one file follows the other: any number of steps is spread evenly (Weyl's sequence).
_GOLDEN = 0.6180339887498949


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
    from affectstore.preflight.scan import against_card, check_found, expected_counts, fit_names

    module = CORPORA.load(args.corpus)
    found: ScanResult = module.find(args.root, _options(module, args.corpus, args.option))
    check_found(found.clips, module.CARD)
    clips, unfit = fit_names(found.clips)
    unusable, opened = _unusable(clips, args.root)
    lost = {skip.clip_id for skip in unusable}
    kept = clips[~clips["clip_id"].isin(lost)]
    lines = [module.CARD.title, *_counts(clips, module.CARD), *found.notes]
    if found.absent:
        lines.append(f"{found.absent} clips that the corpus lists have no media in this copy")
    expected = expected_counts(kept, found, module.CARD)
    if expected:
        lines += against_card(kept, expected) or ["all numbers are those of the complete corpus"]
    lines.append(opened)
    print("\n".join(lines))
    skipped = [*found.skipped, *unfit, *unusable, *_unreadable_words(clips, args.root)]
    _print_skipped(skipped)
    if kept.empty:
        raise CorpusError(f"corpus {args.corpus!r}: no usable clip in {args.root}")
    return GAPS if skipped else 0


def _options(module: ModuleType, corpus: str, given: list[str]) -> Mapping[str, Any]:
    import yaml

    from affectstore.config.messages import validated
    from affectstore.errors import ConfigError

    options = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option {text!r}: say KEY=VALUE, such as channel=both")
        try:
            options[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--option {text!r}: {value!r} is not YAML: {error}") from None
    if hasattr(module, "Options"):
        validated(module.Options, options, f"options of {corpus}")
    elif options:
        raise ConfigError(f"{corpus} has no options, found {sorted(options)}")
    return options


def _counts(clips: pd.DataFrame, card: Card) -> list[str]:
    lines = [f"{len(clips)} clips of {clips['speaker'].nunique()} speakers"]
    for column in (
        name for name in map(str, clips) if name.startswith("label_") or name in ("session", "split", "level")
    ):
        counts = clips[column].value_counts()
        order = [value for value in card.labels if value in counts.index]
        order += sorted(set(counts.index) - set(order))
        if order:
            without = int(clips[column].isna().sum())
            listed = ", ".join(f"{value} {counts[value]}" for value in order)
            lines.append(f"{column}: {listed}" + (f"; without {without}" if without else ""))
    for kind, word in (("audio", "sound"), ("video", "picture"), ("words", "word times")):
        with_file = int(clips[f"{kind}_path"].notna().sum())
        if with_file or kind != "words":
            lines.append(f"{word}: {with_file} clips")
    bad, repeats = int(clips["known_bad"].notna().sum()), int(clips["duplicate_of"].notna().sum())
    if bad:
        lines.append(f"{bad} clips are known to be bad: features are computed, protocols leave them out")
    if repeats:
        lines.append(f"{repeats} clips repeat the media of another one")
    return lines


def _unusable(clips: pd.DataFrame, root: Path) -> tuple[list[SkippedClip], str]:
    """Clips whose files are missing or empty, or were opened and are no media; and how many files were opened."""
    import time

    import numpy as np

    from affectstore.corpora.base import SkippedClip
    from affectstore.media.probe import probe
    from affectstore.preflight.hashes import unusable_files

    paths = sorted({*clips["audio_path"].dropna(), *clips["video_path"].dropna()})
    problems = unusable_files(root, paths)
    rest = [path for path in paths if path not in problems]
    spread = np.argsort(np.arange(len(rest)) * _GOLDEN % 1)[:_OPENED]
    began, opened = time.monotonic(), 0
    for index in spread:
        if time.monotonic() - began > _SECONDS:
            break
        opened += 1
        if problem := probe(root / rest[index]).problem:
            problems[rest[index]] = problem
    skipped = [
        SkippedClip(clip_id, path, problems[path])
        for clip_id, *both in clips[["clip_id", "audio_path", "video_path"]].itertuples(index=False)
        for path in dict.fromkeys(both)
        if path in problems
    ]
    rest_is_read = "" if opened == len(paths) else "; the scan reads all"
    return skipped, f"{opened} of {len(paths)} media files were opened{rest_is_read}"


def _unreadable_words(clips: pd.DataFrame, root: Path) -> list[SkippedClip]:
    """Files of word times that are missing or empty: their clips are kept."""
    from affectstore.corpora.base import SkippedClip
    from affectstore.preflight.hashes import unusable_files

    listed = clips.loc[clips["words_path"].notna(), ["clip_id", "words_path"]]
    problems = unusable_files(root, sorted(set(listed["words_path"])))
    return [
        SkippedClip(clip_id, path, f"the clip is kept, its word times are not: {problems[path]}")
        for clip_id, path in listed.itertuples(index=False)
        if path in problems
    ]


def _print_skipped(skipped: list[SkippedClip]) -> None:
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
