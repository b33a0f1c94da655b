"""Size of the store against the raw frames (uint8, 224 x 224 x 3 each)."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.line import Line
from benchmarks.media import some_clips

MOST = {"frames": 0.12, "mel_chunks": 0.01}


def lines(clips: int = 24) -> Iterator[Line]:
    """Bytes of the data folders, indices included.

    Args:
        clips: how many clips, in one shard.
    """
    with tempfile.TemporaryDirectory() as temporary:
        given = some_clips(clips, Path(temporary))
        ledgers = {name: given.extract(name, Path(temporary)) for name in ("audio", "mel", "frames", "mel_chunks")}
        raw = ledgers["frames"].rows * math.prod(given.features["frames"].extractor.arrays()[0].shape)
        for name, most in MOST.items():
            share = ledgers[name].size_bytes / raw
            yield Line(
                f"size of {name}, {given}",
                f"{ledgers[name].size_bytes / 1e6:.2f} MB",
                f"raw frames: {raw / 1e6:.0f} MB",
                f"{share:.2%}",
                f"<= {most:.0%}",
                share <= most,
            )
