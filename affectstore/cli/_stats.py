"""What extraction jobs did: counts and times that lie beside the ledgers, and no number follows from."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any


def stats_path(feature_dir: Path, shard: str) -> Path:
    """Where the counts of a shard's last job lie."""
    return feature_dir / "shards" / f"{shard}.stats"


def read_stats(path: Path) -> dict[str, Any]:
    """The counts of a job; nothing where they are missing or damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def clip_seconds(feature_dir: Path) -> float | None:
    """Median over shards of a clip's median time, of the jobs that last computed some; None where none is known."""
    times = [read_stats(path).get("clip_s") for path in sorted((feature_dir / "shards").glob("*.stats"))]
    known = [time for time in times if time is not None]
    return statistics.median(known) if known else None
