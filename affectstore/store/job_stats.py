"""Counts and times of extraction jobs, stored beside the ledgers; no number follows from them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any


def stats_path(feature_dir: Path, shard: str) -> Path:
    """Counts of the last job of a shard."""
    return feature_dir / "shards" / f"{shard}.stats"


def read_stats(path: Path) -> dict[str, Any]:
    """Counts of a job; empty where they are missing or damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def clip_seconds(feature_dir: Path) -> float | None:
    """Median over shards of the median time of a computed clip in seconds; None where it is not known."""
    times = [read_stats(path).get("clip_s") for path in sorted((feature_dir / "shards").glob("*.stats"))]
    known = [time for time in times if time is not None]
    return statistics.median(known) if known else None
