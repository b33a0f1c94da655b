"""Contract of a corpus: one file (or package) in this folder.

A corpus module declares

- `CARD`, a `Card`;
- `find(root, options) -> ScanResult`: every clip that the corpus lists, with the paths of its media;
- `Options`, where it has any: a frozen pydantic model of them;
- for a corpus that is generated, `prepare(root, options)`, which makes the missing media.

`find` reads names and tables only. The scan (`affectstore.preflight.scan`) opens the media, and checks that ids are
unique, labels are known and paths stay below the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from affectstore.config.main import Config
from affectstore.paths import RESULTS
from affectstore.registry import Registry

CORPORA: Registry[Any] = Registry("corpus", ("affectstore.corpora",), ("CARD", "find"))


#: Columns of the clips table that a corpus fills, with their pandas types; unknown values are NA.
#: Paths are relative to the root, with forward slashes. A clip that is a whole file has start_s 0 and end_s NA. Where
#: one of its media ("audio" or "video", named by whole_media) is a file of its own, start_s and end_s are those of the
#: other. `split` is the subset that the corpus assigns to a clip. `corpus` is the name of the corpus file, whatever the
#: name in config.yaml. The scan adds digests, durations and stream flags of the media.
CLIP_COLUMNS: Mapping[str, str] = {
    "clip_id": "string",
    "corpus": "string",
    "speaker": "string",
    "speaker_age_years": "float64",
    "speaker_sex": "string",
    "speaker_race": "string",
    "speaker_ethnicity": "string",
    "session": "string",
    "level": "string",
    "sentence": "string",
    "text": "string",
    "face_side": "string",
    "known_bad": "string",
    "duplicate_of": "string",
    "label_intended": "string",
    "label_audio": "string",
    "label_visual": "string",
    "label_audiovisual": "string",
    "votes_audio": "string",
    "votes_visual": "string",
    "votes_audiovisual": "string",
    "valence": "float64",
    "activation": "float64",
    "dominance": "float64",
    "split": "string",
    "start_s": "float64",
    "end_s": "float64",
    "whole_media": "string",
    "audio_path": "string",
    "video_path": "string",
    "words_path": "string",
}


@dataclass(frozen=True)
class Card:
    """Facts about a corpus that are known before a file is opened.

    Attributes:
        name: Name of the corpus file, with hyphens.
        title, licence, citation, url: Texts for the report and the docs.
        labels: Short names of the class labels, in the order of the tables; empty if any label may occur.
        label_names: Short name -> long name.
        counts: Expected numbers ("clips", "speakers", "label:ANG", "no_label", ...) of the complete corpus.
        known_bad: Clip id -> reason.
        duplicates: Clip id -> clip with the same media.
        human: Modality ("audio", "vision", "multimodal") -> human accuracy against the intended label.
        folds: Groups of speakers or sessions that are usually tested together; empty if there are none.
        fold_column: Column of the clips table whose values `folds` lists.
    """

    name: str
    title: str
    licence: str
    citation: str
    url: str
    labels: tuple[str, ...]
    label_names: Mapping[str, str]
    counts: Mapping[str, int]
    known_bad: Mapping[str, str] = field(default_factory=dict)
    duplicates: Mapping[str, str] = field(default_factory=dict)
    human: Mapping[str, float] = field(default_factory=dict)
    folds: tuple[tuple[str, ...], ...] = ()
    fold_column: Literal["speaker", "session"] = "speaker"


@dataclass(frozen=True)
class SkippedClip:
    """A clip or file that is left out, with its reason."""

    clip_id: str
    path: str
    reason: str


@dataclass(frozen=True)
class ScanResult:
    """Clips below a corpus root.

    Attributes:
        clips: One row per clip with media, columns CLIP_COLUMNS, sorted by clip_id; paths are relative to the root.
        skipped: Files and clips that are left out, each with its reason.
        absent: Number of listed clips without media in a partial copy. In a copy that holds most clips, each missing
            one is a row of `skipped` instead.
        root: Folder that was read.
        notes: Further lines for the user ("audio is taken from AudioWAV/").
        expected: Numbers of the complete corpus under these options, as in `Card.counts`; None for those of the card.
        is_complete: True if this copy should have the expected numbers, so that differences are reported; None to
            decide by the number of clips.
    """

    clips: pd.DataFrame
    skipped: tuple[SkippedClip, ...]
    absent: int
    root: Path
    notes: tuple[str, ...] = ()
    expected: Mapping[str, int] | None = None
    is_complete: bool | None = None


def card_of(config: Config, corpus: str) -> Card:
    """Return the card of a corpus of config.yaml, under its name there.

    If the card lists no labels (corpus `folder`), they are those of the manifest, in alphabetical order; none before
    the first scan.

    Raises:
        UnknownNameError: No file reads such a corpus.
    """
    card: Card = replace(CORPORA.load(config.kind_of(corpus)).CARD, name=corpus)
    manifest = RESULTS.manifest(corpus)
    if card.labels or not manifest.exists():
        return card
    labels = labels_of(pd.read_parquet(manifest))
    return replace(card, labels=labels, label_names={label: label for label in labels})


def labels_of(clips: pd.DataFrame) -> tuple[str, ...]:
    """List every label of a clips table, of any target, in alphabetical order."""
    columns = [clips[name].dropna() for name in clips if str(name).startswith("label_")]
    return tuple(sorted({str(label) for column in columns for label in column.unique()}))


def clips_table(corpus: str, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Build a clips table with every column of CLIP_COLUMNS in its type, sorted by clip id.

    Args:
        corpus: Name of the corpus.
        columns: Column -> values, one per clip; "clip_id" is required. Without start_s it is 0; other columns that are
            not given, and empty strings, are NA.

    Raises:
        ValueError: A column is not in CLIP_COLUMNS.
    """
    unknown = sorted(set(columns) - set(CLIP_COLUMNS))
    if unknown:
        raise ValueError(f"the clips table has no column {', '.join(unknown)}; known: {', '.join(CLIP_COLUMNS)}")
    given: dict[str, Any] = {"corpus": corpus, "start_s": 0.0, **columns}
    index = pd.RangeIndex(len(columns["clip_id"]))
    table = {}
    for name, dtype in CLIP_COLUMNS.items():
        values = given.get(name)
        if values is not None and not isinstance(values, str | float | int):
            values = pd.array(values, dtype=dtype)
        column = pd.Series(values, index=index, dtype=dtype)
        table[name] = column.mask(column == "") if dtype == "string" else column
    return pd.DataFrame(table).sort_values("clip_id", ignore_index=True)
