"""Marker file that distinguishes a replica from the corpus."""

from __future__ import annotations

#: File in the root of a replica; the name is part of the format of existing replicas.
MARKER = "LOOKALIKE.txt"
TEXT = "Made by affectstore in the layout of IEMOCAP. No recording, transcription or label of the corpus is in here.\n"
