"""The plan of a shard: its clips and everything that their keys follow from, one line per clip."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

#: Columns of a plan, all str; an empty value means that there is none. Audio and video have a segment each: one
#: may be a file of its own and the other a part of a long file.
PLAN_COLUMNS = (
    "clip_id",
    *(f"{media}_{part}" for media in ("audio", "video") for part in ("path", "sha256", "start_s", "end_s")),
    "words_path",
    "words_sha256",
    "face_side",
    "text",
)


def shard_names(shards: int) -> tuple[str, ...]:
    """List the names of a corpus' shards: 000, 001, ..."""
    return tuple(f"{index:03d}" for index in range(shards))


def shard_of(clip_id: str, shards: int) -> str:
    """Assign a clip to a shard by its id alone, so that adding clips moves none."""
    index = int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big") % shards
    return f"{index:03d}"


def read_plan(path: Path) -> pd.DataFrame:
    """Read a shard's plan; every column is str."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, na_filter=False, quoting=3)
