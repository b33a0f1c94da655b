"""Quick check of a folder that should hold a corpus, before config.yaml names it.

Names and tables are read, every file is looked at for its size, and some are opened; nothing is hashed and nothing is
written, so it takes seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectstore.corpora.base import CORPORA, Card, SkippedClip
from affectstore.media.probe import probe
from affectstore.preflight.hashes import unusable_files
from affectstore.preflight.scan import check_found, fit_names
from affectstore.preflight.scan_summary import against_card, expected_counts

#: Files that are opened, spread over all; fewer where that would take longer.
_OPENED = 60
_SECONDS = 10
#: Part of a circle by which one file follows the other: any number of steps is spread evenly (Weyl's sequence).
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class FolderCheck:
    """Result of a check.

    Attributes:
        lines: Lines for a person: title, numbers, differences from the corpus' card.
        skipped: Clips and files that would be left out.
        usable: Number of clips that remain.
    """

    lines: tuple[str, ...]
    skipped: tuple[SkippedClip, ...]
    usable: int


def check_folder(corpus: str, root: Path, options: Mapping[str, Any]) -> FolderCheck:
    """Check a folder.

    Args:
        corpus: Name of a file in affectstore/corpora/.
        root: The folder.
        options: Options of the corpus.

    Raises:
        CorpusError: The folder is missing or empty, or its tables contradict themselves.
    """
    module = CORPORA.load(corpus)
    found = module.find(root, options)
    check_found(found.clips, module.CARD)
    clips, unfit = fit_names(found.clips)
    unusable, opened = _unusable(clips, root)
    kept = clips[~clips["clip_id"].isin({skip.clip_id for skip in unusable})]
    lines = [module.CARD.title, *_counts(clips, module.CARD), *found.notes]
    if found.absent:
        lines.append(f"{found.absent} clips that the corpus lists have no media in this copy")
    if expected := expected_counts(kept, found, module.CARD):
        lines += against_card(kept, expected) or ["all numbers are those of the complete corpus"]
    skipped = (*found.skipped, *unfit, *unusable, *_unreadable_words(clips, root))
    return FolderCheck((*lines, opened), skipped, len(kept))


def _counts(clips: pd.DataFrame, card: Card) -> list[str]:
    """Lines with the numbers of clips by speaker, label, session, split and medium."""
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
    for kind, word in (("audio", "audio"), ("video", "video"), ("words", "word times")):
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
    """Clips whose files are missing or empty, or were opened and are no media; and a line about the files opened."""

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
    listed = clips.loc[clips["words_path"].notna(), ["clip_id", "words_path"]]
    problems = unusable_files(root, sorted(set(listed["words_path"])))
    return [
        SkippedClip(clip_id, path, f"the clip is kept, its word times are not: {problems[path]}")
        for clip_id, path in listed.itertuples(index=False)
        if path in problems
    ]
