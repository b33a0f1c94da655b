"""Transcriptions (`dialog/transcriptions/*.txt`): one line per turn, with its times in the dialogue.

    Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.

Turns of the two speakers overlap. Marks (`[LAUGHTER]`, `[BREATHING]`, `[GARBAGE]`, ...) are kept in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from affectstore.corpora.base import SkippedClip
from affectstore.corpora.iemocap._names import Turn, parse
from affectstore.corpora.iemocap._text import read_lines

_LINE = re.compile(
    r"\s*(?P<name>Ses\w+)\s*\[\s*(?P<start>\d+(?:\.\d+)?)\s*-\s*(?P<end>\d+(?:\.\d+)?)\s*\]\s*:?(?P<text>.*)"
)


@dataclass(frozen=True, slots=True)
class TranscribedTurn:
    """One turn: its start and end in the dialogue, in seconds, and its text as written."""

    turn: Turn
    start_s: float
    end_s: float
    text: str


@dataclass
class Transcriptions:
    """Turns by name.

    Attributes:
        turns: Name -> turn.
        nameless: Number of lines that name no turn.
        first_nameless: File and line of the first one.
        skipped: Lines that are left out, with reasons.
    """

    turns: dict[str, TranscribedTurn] = field(default_factory=dict)
    nameless: int = 0
    first_nameless: str = ""
    skipped: list[SkippedClip] = field(default_factory=list)


def read_transcriptions(root: Path, paths: Iterable[tuple[str, str]]) -> Transcriptions:
    """Read the transcriptions of dialogues.

    Args:
        root: Folder of the corpus.
        paths: Dialogue and path of each file.

    Raises:
        CorpusError: A file cannot be read.
    """
    found = Transcriptions()
    for dialogue, path in paths:
        for number, line in enumerate(read_lines(root, path), start=1):
            match = _LINE.fullmatch(line)
            if match is None:
                if line.strip():
                    found.nameless += 1
                    found.first_nameless = found.first_nameless or f"{path}, line {number}"
                continue
            name = match["name"]
            try:
                turn = parse(name)
                if turn.dialogue != dialogue:
                    raise ValueError(f"line {number} has a turn of another dialogue")
                if name in found.turns:
                    raise ValueError(f"line {number} repeats a turn; the first line is used")
            except ValueError as reason:
                found.skipped.append(SkippedClip(name, path, str(reason)))
                continue
            found.turns[name] = TranscribedTurn(turn, float(match["start"]), float(match["end"]), match["text"].strip())
    return found
