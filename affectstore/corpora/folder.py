"""Clips of your own: a folder of media files and a table that says what each one is.

The table is a CSV file (comma, semicolon or tab; UTF-8) with a row a clip. Its columns:

- `path`: the file with the clip's picture, sound or both, relative to the folder; needed;
- `label`, `speaker`, `session`, `transcript`: what is not known stays empty;
- `split`: train, val or test, where the clips have sides already (protocol `given`);
- `clip_id`: its name; by default the path without its suffix, with - for /;
- `start_s`, `end_s`: the part of the file that is the clip; `face_side`: left or right half of its picture;
- `audio`: a file of its own for the sound; `words`: a file of word times (.tsv with word, start_s, end_s, or .wdseg);
- `valence`, `activation`, `dominance`: numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora._listing import check_root
from affectstore.corpora.base import Card, Found, clips_table
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
_SIDES = {
    "train": "train",
    "training": "train",
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "val"),
    "test": "test",
    "testing": "test",
}
#: Files that hold no picture, by their suffix.
_SOUND_ONLY = frozenset({".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff"})


class Options(Settings):
    """Options of the corpus in config.yaml."""

    csv: str = Field(default="clips.csv", min_length=1, description="The table, relative to the folder.")
    columns: dict[str, str] = Field(
        default={}, description="Where the table calls a column otherwise: `{label: emotion, speaker: subject}`."
    )


def find(root: Path, options: Mapping[str, Any]) -> Found:
    """The clips that the table lists; whether their files are there and can be read, the scan finds out.

    Args:
        root: folder of the media files.
        options: see `Options`.

    Raises:
        CorpusError: the folder or the table is missing or broken, a column or value is impossible, or two rows are
            the same clip.
    """
    chosen = Options(**options)
    check_root(CARD.name, root, f"media files and the table {chosen.csv}", "")
    table = _read(root, chosen)
    given = {name: table[name] for name in _COLUMNS if name in table}
    paths = table["path"].str.replace("\\", "/").str.removeprefix("./")
    sounds = paths.map(lambda path: PurePosixPath(path).suffix.lower() in _SOUND_ONLY)
    own_sound = given.get("audio", pd.Series("", index=table.index)).str.replace("\\", "/")
    names = given.get("clip_id", pd.Series("", index=table.index))
    names = names.where(names != "", paths.map(lambda path: str(PurePosixPath(path).with_suffix("")).replace("/", "-")))
    _check_names(names, chosen)
    columns: dict[str, Any] = {
        _COLUMNS[name]: values.tolist() for name, values in given.items() if name not in _NUMBERS
    }
    columns |= {name: _number(table, name, chosen) for name in _NUMBERS if name in given}
    columns |= {
        "clip_id": names.tolist(),
        "video_path": paths.mask(sounds, "").tolist(),
        "audio_path": own_sound.where(own_sound != "", paths).tolist(),
    }
    if "split" in given:
        columns["split"] = _mapped(table, "split", _SIDES, chosen)
    if "face_side" in given:
        columns["face_side"] = _mapped(table, "face_side", {"left": "left", "right": "right"}, chosen)
    if "start_s" in columns:
        columns["start_s"] = [0.0 if pd.isna(value) else value for value in columns["start_s"]]
    return Found(clips_table(CARD.name, columns), (), 0, root, tuple(_notes(given, chosen)))


def _read(root: Path, options: Options) -> pd.DataFrame:
    """The table, every column text, by the names of `_COLUMNS`."""
    path = root / options.csv
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        tables = ", ".join(sorted(p.name for p in root.iterdir() if p.suffix.lower() in (".csv", ".tsv"))[:5])
        raise _error(options, f"there is no {path}; tables there: {tables or 'none'}; `options.csv` names it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _error(options, f"{path} cannot be read as UTF-8 text: {error}") from None
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines[0] if lines else "").count)
    rows = list(csv.reader(lines, delimiter=delimiter))
    header = [name.strip() for name in rows[0]] if rows else []
    ours = {theirs.casefold(): name for name, theirs in {**{n: n for n in _COLUMNS}, **options.columns}.items()}
    unknown = sorted(set(options.columns) - set(_COLUMNS))
    if unknown:
        raise _error(options, f"options.columns names {unknown[0]!r}; known: {', '.join(_COLUMNS)}")
    absent = [theirs for theirs in options.columns.values() if theirs.casefold() not in {h.casefold() for h in header}]
    if absent or "path" not in {ours.get(name.casefold()) for name in header}:
        lacking = absent[0] if absent else options.columns.get("path", "path")
        raise _error(
            options,
            f"{path} has no column {lacking!r}; it has {', '.join(header) or 'none'}. Known columns: "
            f"{', '.join(_COLUMNS)}; `options.columns` maps other names to them, such as {{label: emotion}}",
        )
    for number, row in enumerate(rows[1:], start=2):
        if row and len(row) != len(header):
            raise _error(options, f"{path}, line {number}: {len(row)} fields instead of {len(header)}")
    table = pd.DataFrame(
        [row for row in rows[1:] if any(field.strip() for field in row)], columns=header, dtype="string"
    )
    table = table.rename(columns={name: ours[name.casefold()] for name in header if name.casefold() in ours})
    table = table[[name for name in _COLUMNS if name in table]].apply(lambda column: column.str.strip())
    if table.empty:
        raise _error(options, f"{path} lists no clip")
    if (table["path"] == "").any():
        raise _error(options, f"{path}: clip number {int((table['path'] == '').argmax()) + 1} has no path")
    return table.astype("string")


def _check_names(names: pd.Series, options: Options) -> None:
    twice = names[names.duplicated(keep=False)]
    if len(twice):
        name = twice.iloc[0]
        which = ", ".join(str(number + 1) for number in names.index[names == name][:3])
        raise _error(options, f"clips number {which} are all called {name!r}: give them names in a column clip_id")


def _number(table: pd.DataFrame, name: str, options: Options) -> list[float]:
    values = pd.to_numeric(table[name].mask(table[name] == ""), errors="coerce")
    wrong = values.isna() & (table[name] != "")
    if wrong.any():
        row = int(wrong.argmax())
        raise _error(options, f"clip number {row + 1}: {name} is {table[name].iloc[row]!r}, which is no number")
    return values.astype("float64").tolist()


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
