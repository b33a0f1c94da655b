"""The contract of a corpus: one file (or package) in this folder.

A corpus module declares

- `CARD`, a `Card`;
- `find(root, options) -> Found`: every clip that the corpus lists, with its media where they lie;
- `Options`, where it has any: a frozen pydantic model of them;
- and, for an embedded corpus, `prepare(root, options)`, which makes the media when they are not there.

`find` reads names and tables only. The scan (`affectstore.preflight.scan`) opens the media, and checks
what every corpus has to fulfil: ids once, known labels, paths that stay below the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from affectstore.config.main import Config
from affectstore.registry import Registry

CORPORA: Registry[Any] = Registry("corpus", ("affectstore.corpora",), ("CARD", "find"))

MANIFESTS = Path("results/manifests")

#: Columns of the clips table that a corpus fills, with their pandas types; what is not known is NA.
#: Paths are relative to the root, with forward slashes. A clip that is a whole file has start_s 0 and
#: end_s NA; where one of its media ("audio" or "video", named by whole_media) is a file of its own, start_s
#: and end_s are those of the other. `split` is the subset that the corpus itself gives a clip; `corpus` names the
#: file that read it, whatever its name in config.yaml. The scan adds the media's digests, durations and stream
#: flags.
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
    """What is known of a corpus before a file is opened.

    Attributes:
        name: its file's name, with hyphens.
        title, licence, citation, url: for the report and the docs.
        labels: class labels in the order of the tables, by their short names; empty where any may occur.
        label_names: their long names.
        counts: expected numbers ("clips", "speakers", "label:ANG", "no_label", ...) of the complete corpus.
        known_bad: clip id -> reason.
        duplicates: clip id -> the clip whose media it repeats.
        human: human accuracy against the intended label, by modality ("audio", "vision", "multimodal").
        folds: groups of speakers or sessions that are tested together, as is usual for the corpus; empty: none.
        fold_column: column of the clips table that `folds` lists values of.
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
class Skipped:
    """A clip or file that is left out, and why."""

    clip_id: str
    path: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What lies under a corpus root.

    Attributes:
        clips: one row a clip that has media, columns CLIP_COLUMNS, sorted by clip_id; paths are
            relative to the root.
        skipped: files and clips that are left out, one by one, with reasons.
        absent: how many listed clips have no media in a partial copy: one summary line. Where most clips are
            there, a missing one is a row of `skipped`.
        root: the folder that was read.
        notes: what else a person should know, one line each ("sound is taken from AudioWAV/").
        expected: numbers of the complete corpus under these options, as in `Card.counts`; None: those of the card.
        whole: whether this copy should have them, so that each one that differs is told; None: where as many clips
            are there as expected.
    """

    clips: pd.DataFrame
    skipped: tuple[Skipped, ...]
    absent: int
    root: Path
    notes: tuple[str, ...] = ()
    expected: Mapping[str, int] | None = None
    whole: bool | None = None


def card_of(config: Config, corpus: str) -> Card:
    """The card of a corpus of config.yaml, under the name that it has there.

    Where the card lists no labels (clips of one's own), they are those of its manifest, in the order of the
    alphabet; none before the first scan.

    Raises:
        UnknownNameError: no file reads such a corpus.
    """
    card: Card = replace(CORPORA.load(config.kind_of(corpus)).CARD, name=corpus)
    manifest = MANIFESTS / f"{corpus}.parquet"
    if card.labels or not manifest.exists():
        return card
    labels = labels_of(pd.read_parquet(manifest))
    return replace(card, labels=labels, label_names={label: label for label in labels})


def labels_of(clips: pd.DataFrame) -> tuple[str, ...]:
    """Every label of a clips table, whatever its target, in the order of the alphabet."""
    columns = [clips[name].dropna() for name in clips if str(name).startswith("label_")]
    return tuple(sorted({str(label) for column in columns for label in column.unique()}))


def clips_table(corpus: str, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A clips table with every column of CLIP_COLUMNS in its type, sorted by clip id.

    Args:
        corpus: the corpus' name.
        columns: values by column, one per clip; "clip_id" is needed. start_s is 0 where it is not given,
            any other column NA. An empty text counts as NA.

    Raises:
        ValueError: a column that the clips table does not have.
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
