"""How a lookalike is told from the corpus."""

from __future__ import annotations

#: File in the root of a lookalike.
MARKER = "LOOKALIKE.txt"
TEXT = "Made by affectstore in the layout of IEMOCAP. No recording, transcription or label of the corpus is in here.\n"
