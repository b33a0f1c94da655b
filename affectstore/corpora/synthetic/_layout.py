"""Files below the root of the synthetic corpus."""

from __future__ import annotations

#: `video/NAME.mp4`: video and audio.
VIDEO = "video"
#: `words/NAME.tsv`: word, start_s, end_s.
WORDS = "words"
#: Record of the generated clips and their options.
MARKER = "synthetic.json"
