"""Names of IEMOCAP's turns: `Ses01F_impro01_M000` is turn 000 of the man in dialogue `Ses01F_impro01` of session 1.

The letter after the session is the actor who wears the markers in that dialogue, the last letter the one who speaks:
the speaker is session and last letter. Names are matched completely: `Ses05M_script01_1b` also begins with
`Ses05M_script01_1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SESSIONS: tuple[str, ...] = ("1", "2", "3", "4", "5")
#: Kind of dialogue in names -> in the clips table.
KINDS: Mapping[str, str] = {"impro": "improvised", "script": "scripted"}
SEXES: Mapping[str, str] = {"F": "Female", "M": "Male"}

_DIALOGUE = r"Ses0(?P<session>[1-5])(?P<wearer>[FM])_(?P<scenario>(?P<kind>impro|script)\d{2}[a-z]?(?:_\d[a-z]?)?)"
_TURN = re.compile(rf"(?P<dialogue>{_DIALOGUE})_(?P<speaker>[FM])(?P<number>\d{{3}}|XX\d)", re.ASCII)
_WHOLE_DIALOGUE = re.compile(_DIALOGUE, re.ASCII)


@dataclass(frozen=True, slots=True)
class Turn:
    """Fields of a turn's name.

    Attributes:
        name: The complete name, which is the clip id.
        dialogue: Name without its last part.
        session: "1" to "5".
        scenario: `impro01`, `script01_1`, ...
        kind: "improvised" or "scripted".
        sex: "F" or "M", of the speaker.
        face_side: Side of the speaker in the image: the actor with the markers is on the left.
        numbered: False for the few turns named XX0, which have neither an audio file nor a label.
    """

    name: str
    dialogue: str
    session: str
    scenario: str
    kind: str
    sex: str
    face_side: Literal["left", "right"]
    numbered: bool

    @property
    def speaker(self) -> str:
        """Id of the actor in the corpus: session and last letter."""
        return f"0{self.session}{self.sex}"


def parse(name: str) -> Turn:
    """Parse the name of a turn.

    >>> turn = parse("Ses01F_impro01_M000")
    >>> turn.speaker, turn.face_side
    ('01M', 'right')

    Raises:
        ValueError: It is not the name of a turn.
    """
    match = _TURN.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the name of a turn, like Ses01F_impro01_M000")
    return Turn(
        name,
        match["dialogue"],
        match["session"],
        match["scenario"],
        KINDS[match["kind"]],
        match["speaker"],
        "left" if match["speaker"] == match["wearer"] else "right",
        not match["number"].startswith("XX"),
    )


def session_of(dialogue: str) -> str | None:
    """Return the session in the name of a dialogue; None for other names.

    >>> session_of("Ses03M_impro08b")
    '3'
    """
    match = _WHOLE_DIALOGUE.fullmatch(dialogue)
    return match["session"] if match else None
