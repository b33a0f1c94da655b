"""CREMA-D's official tables: clips, speakers, and labels of the crowd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from affectstore.errors import CorpusError

CLIPS = "SentenceFilenames.csv"
SPEAKERS = "VideoDemographics.csv"
CONSENSUS = "processedResults/summaryTable.csv"
VOTES = "processedResults/tabulatedVotes.csv"
#: What is lost without each table.
TABLES: Mapping[str, str] = {
    CLIPS: "the list of clips",
    SPEAKERS: "age, sex, race and ethnicity of the speakers",
    CONSENSUS: "the crowd's consensus labels",
    VOTES: "the crowd's votes",
}
#: The tables' letters for the emotions, in the votes' order.
LETTERS: Mapping[str, str] = {"A": "ANG", "D": "DIS", "F": "FEA", "H": "HAP", "N": "NEU", "S": "SAD"}
#: Label target -> column of the summary, and first digit of the row numbers in the table of votes.
_TARGETS: Mapping[str, tuple[str, int]] = {
    "audio": ("VoiceVote", 1),
    "visual": ("FaceVote", 2),
    "audiovisual": ("MultiModalVote", 3),
}


@dataclass(frozen=True)
class Tables:
    """Contents of the tables.

    Attributes:
        clip_ids: Listed clips; None if there is no table that lists them.
        listed_in: Table that lists them; '' if there is none.
        speakers: Index actor, columns speaker_{age_years,sex,race,ethnicity}.
        labels: Index clip id, columns label_* and votes_* of the three consensus targets.
        missing: Names of the missing tables.
    """

    clip_ids: pd.Index | None
    listed_in: str
    speakers: pd.DataFrame
    labels: pd.DataFrame
    missing: tuple[str, ...]


def read_tables(root: Path) -> Tables:
    """Read those of the four tables that exist below `root`.

    Raises:
        CorpusError: A table cannot be read, lacks a column or holds an unknown vote.
    """
    clips = _read(root, CLIPS, {"Filename": "string"})
    speakers = _read(
        root,
        SPEAKERS,
        {"ActorID": "string", "Age": "float64", "Sex": "string", "Race": "string", "Ethnicity": "string"},
    )
    summary = _read(root, CONSENSUS, {"FileName": "string"} | {column: "string" for column, _ in _TARGETS.values()})
    votes = _read(
        root, VOTES, {"": "int64", "fileName": "string", "emoVote": "string"} | dict.fromkeys(LETTERS, "int64")
    )
    found = {CLIPS: clips, SPEAKERS: speakers, CONSENSUS: summary, VOTES: votes}
    clip_ids, listed_in = None, ""
    for name, column in ((CLIPS, "Filename"), (CONSENSUS, "FileName"), (VOTES, "fileName")):
        table = found[name]
        if table is not None:
            clip_ids, listed_in = pd.Index(table[column].dropna().unique()), name
            break
    return Tables(
        clip_ids,
        listed_in,
        _speakers(speakers),
        pd.DataFrame(_labels(summary, votes)),
        tuple(name for name, table in found.items() if table is None),
    )


def _read(root: Path, name: str, columns: Mapping[str, str]) -> pd.DataFrame | None:
    path = root / name
    types = {column: pa.string() if dtype == "string" else getattr(pa, dtype)() for column, dtype in columns.items()}
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CorpusError(f"table {path} cannot be read: {error.strerror}") from None
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            convert_options=csv.ConvertOptions(column_types=types, include_columns=list(columns)),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise CorpusError(
            f"table {path} cannot be read: {error}; expected the columns {', '.join(columns)}; "
            f"restore it, or remove it to go on without {TABLES[name]}"
        ) from None
    return table.to_pandas().astype(dict(columns))


def _speakers(table: pd.DataFrame | None) -> pd.DataFrame:
    columns = {
        "Age": "speaker_age_years",
        "Sex": "speaker_sex",
        "Race": "speaker_race",
        "Ethnicity": "speaker_ethnicity",
    }
    if table is None:
        return pd.DataFrame(columns=list(columns.values()), index=pd.Index([], dtype="string"))
    return table.drop_duplicates("ActorID").set_index("ActorID").rename(columns=columns)


def _labels(summary: pd.DataFrame | None, votes: pd.DataFrame | None) -> dict[str, pd.Series]:
    labels: dict[str, pd.Series] = {}
    for target, (column, digit) in _TARGETS.items():
        winner = text = None
        if votes is not None:
            part = votes[votes[""] // 100_000 == digit].drop_duplicates("fileName").set_index("fileName")
            winner, text = part["emoVote"], _votes_text(part)
        if summary is not None:
            winner = summary.drop_duplicates("FileName").set_index("FileName")[column]
        if winner is None:
            continue
        labels[f"label_{target}"] = _winner(winner, CONSENSUS if summary is not None else VOTES)
        labels[f"votes_{target}"] = winner if text is None else text
    return labels


def _winner(votes: pd.Series, table: str) -> pd.Series:
    """Return the label of each vote; NA for a tie ("F:N")."""
    letters = set("".join(votes.dropna().unique())) - {":"}
    if not letters <= set(LETTERS):
        raise CorpusError(
            f"table {table} has the unknown vote {min(letters - set(LETTERS))!r}; known: {', '.join(LETTERS)}"
        )
    return votes.map(dict(LETTERS)).astype("string")


def _votes_text(counts: pd.DataFrame) -> pd.Series:
    """Format the votes of each clip as "A:1 N:10", without letters that have no vote."""
    text = pd.Series("", index=counts.index, dtype="string")
    for letter in LETTERS:
        text += (f" {letter}:" + counts[letter].astype("string")).where(counts[letter] > 0, "")
    return text.str.strip()
