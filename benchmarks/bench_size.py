"""Size of the store: against the raw frames (uint8, 224 x 224 x 3 each), and of each feature against its arrays."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from affectstore.store.shard import ShardReader
from benchmarks.line import Line
from benchmarks.media import FEATURES, MORE, some_clips

MOST = {"frames": 0.12, "mel_chunks": 0.01}


def lines(clips: int = 24) -> Iterator[Line]:
    """Bytes of the data folders, indices included.

    Args:
        clips: Number of clips, in one shard.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        given = some_clips(clips, folder)
        ledgers = {name: given.extract(name, folder) for name in (*FEATURES, *MORE)}
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
        for name, ledger in ledgers.items():
            reader = ShardReader(folder / "store" / name / ledger.data)
            arrays = sum(
                array.nbytes for clip_id in reader.clip_ids for array in reader.arrays(clip_id).arrays.values()
            )
            stored, given_kb = (size / clips / 1e3 for size in (ledger.size_bytes, arrays))
            ratio = f"{ledger.size_bytes / arrays:.3f}"
            yield Line(f"- {name}", f"{stored:.1f} kB a clip", f"as arrays: {given_kb:.1f} kB", ratio)
