"""Files and tables of a copy of the corpus."""

from __future__ import annotations

from dataclasses import dataclass

from affectstore.corpora.iemocap._evaluation import Evaluations
from affectstore.corpora.iemocap._transcriptions import Transcriptions
from affectstore.corpora.iemocap._tree import Tree


@dataclass(frozen=True)
class Copy:
    """Files and tables of a copy.

    Attributes:
        tree: Its files.
        evaluations: Its evaluations.
        transcriptions: Its transcriptions.
        audio: Folder of PARTS that all audio is taken from.
    """

    tree: Tree
    evaluations: Evaluations
    transcriptions: Transcriptions
    audio: str

    def span(self, name: str) -> tuple[float, float] | None:
        """Return start and end of an utterance in its dialogue, in seconds; None if they are unknown."""
        row = self.evaluations.utterances.get(name) or self.transcriptions.turns.get(name)
        return (row.start_s, row.end_s) if row else None
