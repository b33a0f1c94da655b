"""Lines about a scanned corpus: its size, and numbers that differ from those of its card."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from affectstore.corpora.base import Card, ScanResult


def summarise_scan(clips: pd.DataFrame, found: ScanResult, card: Card) -> tuple[str, ...]:
    """Lines for a person: clips, speakers, duration, what is missing, and what the card expects otherwise."""
    speakers = clips["speaker"].nunique()
    seconds = clips["duration_s"].sum()
    length = f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} minutes"
    lines = [f"{len(clips)} clips of {speakers} speakers, {length}"]
    if found.absent:
        lines.append(f"{found.absent} listed clips have no media in this copy")
    lines += found.notes
    for stream, word in (("has_audio", "audio"), ("has_video", "video")):
        without = int((~clips[stream]).sum())
        if without:
            lines.append(f"{without} clips without {word}")
    bad = int(clips["known_bad"].notna().sum())
    if bad:
        lines.append(f"{bad} clips are known to be bad: features are computed, protocols leave them out")
    return (*lines, *against_card(clips, expected_counts(clips, found, card) or {}))


def expected_counts(clips: pd.DataFrame, found: ScanResult, card: Card) -> Mapping[str, int] | None:
    """Numbers that this copy should have; None for a partial one.

    Args:
        clips: Clips that are counted.
        found: Result of the corpus' search.
        card: Card of the corpus.
    """
    counts = card.counts if found.expected is None else found.expected
    whole = len(clips) == counts.get("clips") if found.is_complete is None else found.is_complete
    return counts if whole else None


def against_card(clips: pd.DataFrame, counts: Mapping[str, int]) -> list[str]:
    """One line for each number of a complete corpus that differs from its card.

    Args:
        clips: Clips table.
        counts: As in `Card.counts`. A label is the intended one, or where a corpus has none, the consensus on audio and
            video together.
    """
    label = clips["label_intended" if clips["label_intended"].notna().any() else "label_audiovisual"]
    columns = {"label": label, "level": clips["level"], "session": clips["session"]}
    lines = []
    for name, expected in counts.items():
        kind, _, value = name.partition(":")
        if value and kind in columns:
            counted = int((columns[kind] == value).sum())
        elif name in ("speakers", "sentences"):
            counted = clips[name[:-1]].nunique()
        elif name == "clips":
            counted = len(clips)
        elif name == "no_label":
            counted = int(label.isna().sum())
        else:
            continue
        if counted != expected:
            lines.append(f"the card expects {expected} of {name}, found {counted}")
    return lines
