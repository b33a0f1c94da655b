"""Invented dialogues of the replica with their labels, and the corpus' oddities.

Names that belong to the corpus' oddities (`impro08b`, `script01_1` and `script01_1b`, a turn M030 without an alignment)
are those of the corpus; speakers and texts under them are invented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from affectstore.corpora.iemocap._names import Turn, parse

#: Vocal sounds other than words; they are generated as noise.
MARKS = ("LAUGHTER", "BREATHING", "GARBAGE")
_PIECE = re.compile(r"\[(?P<mark>\w+)\]|(?P<words>[^\[\]]+)")


@dataclass(frozen=True)
class Line:
    """A turn without times: its name, its consensus label (`xxx`: none) and its text with marks."""

    turn: Turn
    label: str
    text: str

    def pieces(self) -> list[tuple[str, str]]:
        """Split the text into marks and words: ("mark", "LAUGHTER") or ("words", "Then we stay")."""
        found = []
        for match in _PIECE.finditer(self.text):
            kind = match.lastgroup or ""
            text = match["mark"] or re.sub(r"[,.?!]", "", match["words"]).strip()
            if text:
                found.append((kind, text))
        return found


_SCRIPT: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "Ses01F_impro01": (
        ("F000", "neu", "The ferry leaves at noon."),
        ("M000", "neu", "Then we still have time."),
        ("F001", "ang", "You left my violin behind!"),
        ("M001", "sad", "I looked for it everywhere."),
        ("F002", "ang", "Looking is not enough!"),
        ("M002", "fru", "Nobody answers at the office."),
        ("M003", "exc", "Wait, somebody found the violin!"),
        ("F003", "hap", "[LAUGHTER] Oh, that is wonderful."),
        ("M004", "sur", "Somebody carried it here."),
        ("F004", "xxx", "Well, let us go."),
    ),
    "Ses02M_script03_2": (
        ("M000", "neu", "The bakery opens at seven."),
        ("F000", "neu", "I know, I own it."),
        ("M001", "ang", "Then why is it closed?"),
        ("F001", "sad", "The oven broke last night."),
        ("M002", "hap", "My brother repairs ovens."),
        ("F002", "exc", "Really? Call him right now!"),
        ("M003", "fea", "What if he is asleep?"),
        ("F003", "fru", "Then wake him up."),
        ("M004", "sad", "He will never forgive me."),
        ("F004", "ang", "[BREATHING] Give me the phone!"),
    ),
    "Ses03F_impro07": (
        ("F000", "exc", "Our balloon won the race!"),
        ("M000", "hap", "[LAUGHTER]"),
        ("F001", "neu", "[BREATHING]"),
        ("M030", "exc", "I cannot believe it!"),
        ("F002", "neu", "The prize is a kettle."),
    ),
    "Ses03M_impro08b": (
        ("M000", "sad", "The garden is gone."),
        ("F000", "ang", "Who let the goats in?"),
        ("M001", "neu", "[GARBAGE]"),
        ("F001", "sad", "All my tulips were there."),
        ("M002", "xxx", "We could plant beans."),
    ),
    "Ses04F_impro02": (
        ("F000", "neu", "This is the wrong key."),
        ("M000", "ang", "You said it would fit!"),
        ("F001", "fru", "It did fit yesterday."),
        ("M001", "neu", "Try the other door."),
        ("F002", "hap", "Look, it was never locked."),
        ("M002", "exc", "We are finally inside!"),
        ("F003", "sad", "The piano is so dusty."),
        ("M003", "xxx", "Somebody was here."),
        ("F004", "dis", "Something smells in here."),
        ("M004", "sad", "Nobody played it for years."),
        ("F005", "oth", "Shall I open a window?"),
    ),
    "Ses05M_script01_1": (
        ("M000", "neu", "Your letter came today."),
        ("F000", "exc", "Did they choose me?"),
        ("M001", "hap", "You are the first name."),
        ("F001", "sad", "[BREATHING] And you are not."),
        ("M002", "ang", "They never read mine!"),
    ),
    "Ses05M_script01_1b": (
        ("M000", "neu", "I will bring the boxes."),
        ("F000", "sad", "The house looks empty."),
        ("M001", "ang", "You wanted to sell it!"),
        ("F001", "ang", "I wanted to rest, not to sell."),
        ("M002", "hap", "Then let us keep it."),
        ("F002", "exc", "You mean it? We stay?"),
    ),
}

DIALOGUES: Mapping[str, tuple[Line, ...]] = {
    dialogue: tuple(Line(parse(f"{dialogue}_{turn}"), label, text) for turn, label, text in lines)
    for dialogue, lines in _SCRIPT.items()
}
#: Turns without a file of word times.
UNALIGNED = ("Ses03F_impro07_M030",)
#: Dialogues with a turn numbered XX0, by its speaker, and dialogues with a line that names no turn.
NUMBERED_XX: Mapping[str, str] = {"Ses01F_impro01": "F", "Ses04F_impro02": "M"}
BARE_LINES: Mapping[str, str] = {"Ses02M_script03_2": "M: Hm.", "Ses05M_script01_1b": "F: Yes."}
#: Utterance with two labels by one rater, and utterance without a dominance by one rater.
TWO_LABELS = ("Ses02M_script03_2_F003", "ang")
NO_DOMINANCE = "Ses04F_impro02_F001"
