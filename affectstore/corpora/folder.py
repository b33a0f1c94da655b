"""Clips of your own: a folder of media files and a table that describes them.

The table is a CSV file (comma, semicolon or tab; UTF-8) with a row per clip. Its columns:

- `path`: file with video, audio or both, relative to the folder; required;
- `label`, `speaker`, `session`, `transcript`: empty if unknown;
- `split`: train, val or test, for clips that have subsets already (protocol `given`);
- `clip_id`: name of the clip; by default the path without its suffix, with - for /;
- `start_s`, `end_s`: part of the file (and of `audio`) that is the clip, in seconds;
- `face_side`: left or right, the half of the image with the speaker's face;
- `audio`: separate file with the audio;
- `words`: file of word times from the start of the clip (.tsv with word, start_s, end_s, or .wdseg);
- `valence`, `activation`, `dominance`: numbers.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora._listing import check_root
from affectstore.corpora.base import Card, ScanResult, clips_table
from affectstore.errors import CorpusError

CARD = Card(
    name="folder",
    title="Clips of a folder, described by its own table",
    licence="that of the clips",
    citation="that of the clips",
    url="",
    labels=(),
    label_names={},
    counts={},
)

#: Column of the table -> column of the clips table.
_COLUMNS: Mapping[str, str] = {
    "path": "video_path",
    "label": "label_intended",
    "speaker": "speaker",
    "session": "session",
    "transcript": "text",
    "split": "split",
    "clip_id": "clip_id",
    "start_s": "start_s",
    "end_s": "end_s",
    "face_side": "face_side",
    "audio": "audio_path",
    "words": "words_path",
    "valence": "valence",
    "activation": "activation",
    "dominance": "dominance",
}
_NUMBERS = ("start_s", "end_s", "valence", "activation", "dominance")
_SUBSETS = {
    "train": "train",
    "training": "train",
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "val"),
    "test": "test",
    "testing": "test",
}
#: Suffixes of files without video.
_AUDIO_ONLY = frozenset({".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff"})


class Options(Settings):
    """Options of the corpus in config.yaml."""

    csv: str = Field(default="clips.csv", min_length=1, description="Path of the table, relative to the folder.")
    columns: dict[str, str] = Field(
        default={}, description="Other names of the table's columns: `{label: emotion, speaker: subject}`."
    )


def find(root: Path, options: Mapping[str, Any]) -> ScanResult:
    """Read the clips of the table; the scan checks their files.

    Args:
        root: Folder of the media files.
        options: Fields of `Options`.

    Raises:
        CorpusError: The folder or the table is missing or damaged, a column or value is impossible, or two rows are
            the same clip.
    """
    chosen = Options(**options)
    check_root(CARD.name, root, f"media files and the table {chosen.csv}", "")
    table = _read(root, chosen)
    given = {name: table[name] for name in _COLUMNS if name in table}
    nothing = pd.Series("", index=table.index, dtype="string")
    paths = _slashes(table["path"])
    audio_only = paths.map(lambda path: PurePosixPath(path).suffix.lower() in _AUDIO_ONLY)
    own_audio = _slashes(given.get("audio", nothing))
    names = given.get("clip_id", nothing)
    names = names.where(names != "", paths.map(lambda path: str(PurePosixPath(path).with_suffix("")).replace("/", "-")))
    _check_names(names, chosen)
    columns: dict[str, Any] = {
        _COLUMNS[name]: values.tolist() for name, values in given.items() if name not in _NUMBERS
    }
    columns |= {name: _number(table, name, chosen) for name in _NUMBERS if name in given}
    columns |= {
        "clip_id": names.tolist(),
        "video_path": paths.mask(audio_only, "").tolist(),
        "audio_path": own_audio.where(own_audio != "", paths).tolist(),
        "words_path": _slashes(given.get("words", nothing)).tolist(),
    }
    if "split" in given:
        columns["split"] = _mapped(table, "split", _SUBSETS, chosen)
    if "face_side" in given:
        columns["face_side"] = _mapped(table, "face_side", {"left": "left", "right": "right"}, chosen)
    if "start_s" in columns:
        columns["start_s"] = [0.0 if math.isnan(value) else value for value in columns["start_s"]]
    _check_times(columns, chosen)
    return ScanResult(clips_table(CARD.name, columns), (), 0, root, tuple(_notes(given, chosen)))


def _read(root: Path, options: Options) -> pd.DataFrame:
    """Read the table, every column as strings, under the names of `_COLUMNS`."""
    path = root / options.csv
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        tables = ", ".join(sorted(p.name for p in root.iterdir() if p.suffix.lower() in (".csv", ".tsv"))[:5])
        raise _error(options, f"there is no {path}; tables there: {tables or 'none'}; `options.csv` names it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _error(options, f"{path} cannot be read as UTF-8 text: {error}") from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    # Strict: an open quotation mark would swallow all rows that follow.
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    rows = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(header):
                raise _error(options, f"{path}, line {reader.line_num}: {len(row)} fields instead of {len(header)}")
            rows.append([field.strip() for field in row])
    except csv.Error as error:
        raise _error(options, f"{path}, line {reader.line_num}: {error}") from None
    position = _positions(path, header, options)
    if not rows:
        raise _error(options, f"{path} lists no clip")
    table = pd.DataFrame({name: pd.array([row[i] for row in rows], dtype="string") for name, i in position.items()})
    if (table["path"] == "").any():
        raise _error(options, f"{path}: clip number {int((table['path'] == '').argmax()) + 1} has no path")
    return table


def _positions(path: Path, header: list[str], options: Options) -> dict[str, int]:
    """Find the position of each known column in the table, ignoring case."""
    unknown = sorted(set(options.columns) - set(_COLUMNS))
    if unknown:
        raise _error(options, f"options.columns names {unknown[0]!r}; known: {', '.join(_COLUMNS)}")
    theirs = [name.casefold() for name in header]
    position = {}
    for name in _COLUMNS:
        called = options.columns.get(name, name)
        count = theirs.count(called.casefold())
        if count > 1:
            raise _error(options, f"{path} has {count} columns {called!r}")
        if count:
            position[name] = theirs.index(called.casefold())
        elif name in options.columns or name == "path":
            raise _error(
                options,
                f"{path} has no column {called!r}; it has {', '.join(filter(None, header)) or 'none'}. Known columns: "
                f"{', '.join(_COLUMNS)}; `options.columns` maps other names to them, such as {{label: emotion}}",
            )
    return position


def _slashes(paths: pd.Series) -> pd.Series:
    """Convert paths to forward slashes, as in the clips table."""
    return paths.str.replace("\\", "/").str.removeprefix("./")


def _check_names(names: pd.Series, options: Options) -> None:
    twice = names[names.duplicated(keep=False)]
    if len(twice):
        name = twice.iloc[0]
        which = ", ".join(str(number + 1) for number in names.index[names == name][:3])
        raise _error(options, f"clips number {which} are all called {name!r}: give them names in a column clip_id")


def _number(table: pd.DataFrame, name: str, options: Options) -> list[float]:
    values = pd.to_numeric(table[name].mask(table[name] == ""), errors="coerce")
    wrong = (values.isna() | (values.abs() == math.inf)) & (table[name] != "")
    if wrong.any():
        row = int(wrong.argmax())
        raise _error(options, f"clip number {row + 1}: {name} is {table[name].iloc[row]!r}, which is no number")
    return values.astype("float64").tolist()


def _check_times(columns: Mapping[str, Any], options: Options) -> None:
    starts = columns.get("start_s", [0.0] * len(columns["clip_id"]))
    ends = columns.get("end_s", [math.nan] * len(starts))
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
        if start < 0 or end <= start:
            raise _error(options, f"clip number {number} cannot last from {start:g} s to {end:g} s")


def _mapped(table: pd.DataFrame, name: str, known: Mapping[str, str], options: Options) -> list[str | None]:
    values = table[name].str.casefold()
    wrong = ~values.isin([*known, ""])
    if wrong.any():
        row = int(wrong.argmax())
        listed = ", ".join(dict.fromkeys(known.values()))
        raise _error(options, f"clip number {row + 1}: {name} is {table[name].iloc[row]!r}; known: {listed}")
    return [known.get(value) for value in values]


def _notes(given: Mapping[str, pd.Series], options: Options) -> list[str]:
    notes = []
    for name, lacking in (
        ("label", "nothing can be trained"),
        ("speaker", "protocols that keep speakers apart leave every clip out; `given` takes the column split"),
    ):
        values = given.get(name)
        without = None if values is None else int((values == "").sum())
        if without is None:
            notes.append(f"{options.csv} has no column {options.columns.get(name, name)!r}: {lacking}")
        elif without:
            notes.append(f"{without} clips have no {name} in {options.csv}")
    return notes


def _error(options: Options, problem: str) -> CorpusError:
    return CorpusError(f"corpus {CARD.name!r} ({options.csv}): {problem}")
