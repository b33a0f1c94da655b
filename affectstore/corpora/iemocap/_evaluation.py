"""Evaluations (`dialog/EmoEvaluation/*.txt`): consensus label and single ratings of each utterance.

    [6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu<TAB>[2.5000, 2.5000, 2.5000]
    C-E2:<TAB>Neutral;<TAB>()
    C-F1:<TAB>Neutral; Anger;<TAB>(curious)
    A-E3:<TAB>val 3; act 2; dom  2;<TAB>()

The triple is valence, activation and dominance, means over the evaluators on a scale from 1 to 5. C- lines are
categories, A- lines attributes; raters E1, E2, ... are evaluators, F1 and M1 the actors themselves, whose ratings are
not in the consensus. `xxx` means that no category has a majority.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

from affectstore.corpora._listing import printable
from affectstore.corpora.base import SkippedClip
from affectstore.corpora.iemocap._names import Turn, parse
from affectstore.corpora.iemocap._text import read_lines
from affectstore.errors import CorpusError

#: Consensus codes in the order of the tables, with the words of the C- lines.
EMOTIONS: Mapping[str, str] = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "excited",
    "sad": "sadness",
    "neu": "neutral",
    "fru": "frustration",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "oth": "other",
}
NO_AGREEMENT = "xxx"
_CODES = {name: code for code, name in EMOTIONS.items()} | {"neutral state": "neu"}

_NUMBER = r"\d+(?:\.\d+)?"
_HEAD = re.compile(
    rf"\s*\[\s*(?P<start>{_NUMBER})\s*-\s*(?P<end>{_NUMBER})\s*\]\s+(?P<name>\S+)\s+(?P<label>\w+)"
    rf"\s+\[\s*(?P<val>{_NUMBER})\s*,\s*(?P<act>{_NUMBER})\s*,\s*(?P<dom>{_NUMBER})\s*\]\s*"
)
_RATING = re.compile(r"\s*(?P<kind>[CA])-(?P<rater>[EFM]\d+)\s*:\s*(?P<given>[^(]*)(?:\((?P<comment>.*)\))?\s*")
_ATTRIBUTE = re.compile(rf"(val|act|dom)\s+({_NUMBER})")


@dataclass(slots=True)
class Rating:
    """Rating of one utterance by one rater.

    Attributes:
        categories: Codes of EMOTIONS, one or several; empty if only attributes were rated.
        valence, activation, dominance: 1 to 5; NaN if not rated.
        comment: Comment, as written.
    """

    categories: tuple[str, ...] = ()
    valence: float = nan
    activation: float = nan
    dominance: float = nan
    comment: str = ""


@dataclass(slots=True)
class Evaluated:
    """Evaluation of one utterance.

    Attributes:
        turn: Fields of its name.
        path: File of the evaluation.
        start_s, end_s: Start and end in the dialogue.
        label: Consensus code; None if no label has a majority.
        valence, activation, dominance: Means over the evaluators.
        ratings: Rater -> rating, of evaluators (E1, ...) and actors (F1, M1).
    """

    turn: Turn
    path: str
    start_s: float
    end_s: float
    label: str | None
    valence: float
    activation: float
    dominance: float
    ratings: dict[str, Rating] = field(default_factory=dict)

    def votes(self) -> str:
        """Format the evaluators' votes, most frequent first ("neu:3 fru:1"); the actors' own do not count."""
        counts = Counter(
            code for rater, rating in self.ratings.items() if is_evaluator(rater) for code in rating.categories
        )
        order = list(EMOTIONS)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], order.index(item[0])))
        return " ".join(f"{code}:{count}" for code, count in ranked)


@dataclass
class Evaluations:
    """Evaluations by name.

    Attributes:
        utterances: Name -> evaluation.
        skipped: Lines and files that are left out, with reasons.
        unknown: Number of lines that cannot be parsed completely.
        first_unknown: File, line and text of the first one.
    """

    utterances: dict[str, Evaluated] = field(default_factory=dict)
    skipped: list[SkippedClip] = field(default_factory=list)
    unknown: int = 0
    first_unknown: str = ""

    def mark_unknown(self, path: str, number: int, line: str) -> None:
        """Count a line that cannot be parsed completely."""
        self.unknown += 1
        self.first_unknown = self.first_unknown or f"{path}, line {number}: {line.strip()[:60]!r}"


def is_evaluator(rater: str) -> bool:
    """Test if a rater is an evaluator, not one of the two actors."""
    return rater.startswith("E")


def read_evaluations(root: Path, paths: Iterable[tuple[str, str]]) -> Evaluations:
    """Read the evaluations of dialogues.

    Args:
        root: Folder of the corpus.
        paths: Dialogue and path of each file.

    Raises:
        CorpusError: A file cannot be read, or has an unknown label.
    """
    found = Evaluations()
    for dialogue, path in paths:
        _read_file(root, dialogue, path, found)
    return found


def _read_file(root: Path, dialogue: str, path: str, found: Evaluations) -> None:
    ratings: dict[str, Rating] = {}
    before = len(found.utterances)
    for number, line in enumerate(read_lines(root, path), start=1):
        if not line.strip() or line.startswith("%"):
            continue
        if match := _RATING.fullmatch(line):
            rating = ratings.setdefault(match["rater"], Rating())
            if not _add(rating, match):
                found.mark_unknown(path, number, line)
        elif match := _HEAD.fullmatch(line):
            ratings = {}  # ratings of an utterance that is left out are dropped
            try:
                turn = parse(match["name"])
                if turn.dialogue != dialogue:
                    raise ValueError(f"line {number} has an utterance of another dialogue")
                if turn.name in found.utterances:
                    raise ValueError(f"line {number} repeats an utterance; the first one is used")
            except ValueError as reason:
                found.skipped.append(SkippedClip(printable(match["name"]), path, str(reason)))
                continue
            label = _label(match["label"], f"{root / path}, line {number}")
            start_s, end_s, val, act, dom = (float(match[name]) for name in ("start", "end", "val", "act", "dom"))
            found.utterances[turn.name] = Evaluated(turn, path, start_s, end_s, label, val, act, dom, ratings)
        else:
            found.mark_unknown(path, number, line)
    if len(found.utterances) == before:
        found.skipped.append(SkippedClip(dialogue, path, "no utterance in the evaluation of the dialogue"))


def _label(code: str, where: str) -> str | None:
    code = code.lower()
    if code == NO_AGREEMENT:
        return None
    if code not in EMOTIONS:
        raise CorpusError(f"{where}: unknown label {code!r}; known: {', '.join([*EMOTIONS, NO_AGREEMENT])}")
    return code


def _add(rating: Rating, match: re.Match[str]) -> bool:
    """Add a C- or A- line to its rater; return False if a part of it cannot be parsed."""
    if comment := (match["comment"] or "").strip():
        rating.comment = f"{rating.comment}; {comment}" if rating.comment else comment
    if match["kind"] == "A":
        given = {name: float(value) for name, value in _ATTRIBUTE.findall(match["given"])}
        rating.valence, rating.activation, rating.dominance = (given.get(name, nan) for name in ("val", "act", "dom"))
        return bool(given)
    names = [name.strip().lower() for name in match["given"].split(";") if name.strip()]
    codes = [_CODES[name] for name in names if name in _CODES]
    rating.categories += tuple(code for code in dict.fromkeys(codes) if code not in rating.categories)
    return len(codes) == len(names) > 0
