"""Where a corpus root keeps what."""

from __future__ import annotations

#: `video/NAME.mp4`: picture and sound.
VIDEO = "video"
#: `words/NAME.tsv`: word, start_s, end_s.
WORDS = "words"
#: What was made here, by which options.
MARKER = "synthetic.json"
