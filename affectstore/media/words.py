"""Reader of word times: begin and end of each word of a clip.

- `.wdseg`: word segments as Sphinx-3 `align` writes them (IEMOCAP's ForcedAlignment): a header, one row per word
  (first frame, last frame, score, word) in frames of 10 ms, and a total score.
- `.tsv`: columns word, start_s, end_s, with a header; UTF-8.

Times count from the start of the clip. Fillers (`<s>`, `<sil>`, `++LAUGHTER++`) are rows like words.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from affectstore.errors import ClipError

_FRAMES_PER_S = 100
_COLUMNS = ("word", "start_s", "end_s")
_HEADER = re.compile(r"\s*SFrm\s+EFrm\s+SegAScr\s+Word\s*")
_ROW = re.compile(r"\s*(\d+)\s+(\d+)\s+-?\d+\s+(\S+)\s*")
_TOTAL = re.compile(r"\s*Total score:\s*-?\d+\s*")
#: The n-th pronunciation of a word in Sphinx's dictionary, n > 1: `WELL(2)`.
_PRONUNCIATION = re.compile(r"(?<=.)\(\d+\)$")
_LAST_WORD = "</s>"


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or a filler, and its time.

    Attributes:
        text: Spelling in the file.
        start_s, end_s: Span from the start of the clip, in seconds; NaN in both if it is not known.
    """

    text: str
    start_s: float = math.nan
    end_s: float = math.nan


def read_words(path: Path) -> tuple[Word, ...]:
    """Read the words of a file in the order in which they begin.

    Args:
        path: A `.wdseg` or `.tsv` file.

    Raises:
        ClipError: The file cannot be read, has another format, is truncated or contradicts itself; the message names
            the line.
    """
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise ClipError(f"{path.name}: word times are read from {' and '.join(sorted(_PARSERS))} files only")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ClipError(f"{path.name}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise ClipError(f"{path.name}: the file of word times cannot be read: {error.strerror or error}") from None
    words: list[Word] = []
    for number, word in parse(path.name, lines):
        _check(f"{path.name}, line {number}", word, words[-1] if words else None)
        words.append(word)
    if not words:
        raise ClipError(f"{path.name}: no word in it")
    return tuple(words)


def _check(where: str, word: Word, before: Word | None) -> None:
    if not (math.isfinite(word.start_s) and math.isfinite(word.end_s) and 0 <= word.start_s <= word.end_s):
        raise ClipError(f"{where}: {word.text!r} cannot last from {word.start_s:g} s to {word.end_s:g} s")
    if before is not None and word.start_s < before.start_s:
        raise ClipError(
            f"{where}: {word.text!r} begins at {word.start_s:g} s, before {before.text!r} at {before.start_s:g} s"
        )


def _sphinx(name: str, lines: list[str]) -> Iterator[tuple[int, Word]]:
    if not lines or not _HEADER.fullmatch(lines[0]):
        raise ClipError(f"{name}, line 1: expected the header 'SFrm EFrm SegAScr Word', got {_shown(lines)}")
    last = ""
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        if _TOTAL.fullmatch(line):
            return
        row = _ROW.fullmatch(line)
        if row is None:
            raise ClipError(f"{name}, line {number}: expected first frame, last frame, score and word, got {line!r}")
        first, end, last = int(row[1]), int(row[2]) + 1, row[3]
        yield number, Word(_PRONUNCIATION.sub("", last), first / _FRAMES_PER_S, end / _FRAMES_PER_S)
    if last != _LAST_WORD:
        raise ClipError(f"{name}, line {len(lines)}: the file ends without {_LAST_WORD} and total score: it is cut off")


def _table(name: str, lines: list[str]) -> Iterator[tuple[int, Word]]:
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if tuple(next(rows, ())) != _COLUMNS:
        raise ClipError(f"{name}, line 1: expected the columns {', '.join(_COLUMNS)}, got {_shown(lines)}")
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            text, start_s, end_s = row
            word = Word(text.strip(), float(start_s), float(end_s))
        except ValueError:
            raise ClipError(f"{name}, line {number}: expected a word and two times in seconds, got {row}") from None
        if not word.text:
            raise ClipError(f"{name}, line {number}: times without a word")
        yield number, word


def _shown(lines: list[str]) -> str:
    return repr(lines[0][:80]) if lines else "an empty file"


_PARSERS: Mapping[str, Callable[[str, list[str]], Iterator[tuple[int, Word]]]] = {".wdseg": _sphinx, ".tsv": _table}
