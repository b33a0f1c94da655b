"""Plan a corpus of any size in a process of its own: `python -m benchmarks.planning CLIPS SHARDS`.

Prints seconds and the most memory that the process ever had, its libraries and the clips table included.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time

import numpy as np
import pandas as pd

from affectstore.features.keys import clip_keys
from affectstore.preflight.plan import plan_columns, write_plans
from affectstore.preflight.scan import MANIFEST_COLUMNS
from benchmarks.media import default_features


def plan(clips: int, shards: int) -> dict[str, float]:
    """Write all plans below the working folder and compute every clip's key in every feature.

    Returns:
        `seconds`, and `peak_mb`, of the whole process.
    """
    table, features = manifest(clips), default_features()
    began = time.perf_counter()
    plans = write_plans("corpus", plan_columns(table), shards)
    for part in plans.values():
        keys: dict[str, list[str]] = {}
        for name, feature in features.items():
            keys[name] = clip_keys(part, feature, {need: keys[source] for need, source in feature.upstream.items()})
    seconds = time.perf_counter() - began
    unit = 1e6 if sys.platform == "darwin" else 1e3  # ru_maxrss is in bytes there, in KiB elsewhere
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


def manifest(clips: int) -> pd.DataFrame:
    """A clips table as the scan gives it: one file a clip, all different."""
    ids = [f"{index:07d}_DFA_ANG_XX" for index in range(clips)]
    digests = pd.array([hashlib.sha256(clip_id.encode()).hexdigest() for clip_id in ids], dtype="string")
    paths = pd.array([f"VideoFlash/{clip_id}.flv" for clip_id in ids], dtype="string")
    given = {
        "clip_id": pd.array(ids, dtype="string"),
        "start_s": np.zeros(clips),
        **dict.fromkeys(("audio_path", "video_path"), paths),
        **dict.fromkeys(("audio_sha256", "video_sha256"), digests),
        **dict.fromkeys(("has_audio", "has_video"), np.ones(clips, dtype=bool)),
        "has_text": np.zeros(clips, dtype=bool),
        "duration_s": np.full(clips, 2.5),
    }
    index = pd.RangeIndex(clips)
    return pd.DataFrame(
        {name: pd.Series(given.get(name), index=index, dtype=dtype) for name, dtype in MANIFEST_COLUMNS.items()}
    )


if __name__ == "__main__":
    print(json.dumps(plan(int(sys.argv[1]), int(sys.argv[2]))))
