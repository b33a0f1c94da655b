"""Plans (the clips of every shard) and requests (what Snakemake shall publish again)."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.features.plan import PLAN_COLUMNS, shard_names, shard_of
from affectstore.files import write_atomic, write_if_changed
from affectstore.paths import RESULTS


def plan_columns(clips: pd.DataFrame) -> pd.DataFrame:
    """Clips table as a plan: text columns, sorted by clip id, absent values empty.

    A media digest is empty where the corpus has no such file; times are written so that they read back exactly, and are
    empty where a medium is used from its beginning or to its end.
    """
    plan = pd.DataFrame(index=clips.index)
    for column in PLAN_COLUMNS:
        kind, _, rest = column.partition("_")
        if rest in ("start_s", "end_s"):
            whole = (clips["whole_media"] == kind).fillna(False).astype(bool)
            plan[column] = _seconds(clips[rest].mask(whole | (clips[rest] == 0.0)))
        else:
            plan[column] = clips[column].astype("string").fillna("").astype(str)
    return plan.sort_values("clip_id", ignore_index=True)


def _seconds(times: pd.Series) -> list[str] | str:
    if times.isna().all():
        return ""
    return ["" if pd.isna(time) else repr(float(time)) for time in times]


def write_plans(corpus: str, plan: pd.DataFrame, shards: int) -> dict[str, pd.DataFrame]:
    """Assign the clips to shards and write the plan of each, where its content changed; remove those of former shards.

    Returns:
        The plan of each shard, in the shards' order.
    """
    folder = RESULTS.plans(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    assigned = pd.Series([shard_of(clip_id, shards) for clip_id in plan["clip_id"]], index=plan.index, dtype=object)
    groups = dict(tuple(plan.groupby(assigned, sort=False)))
    plans = {}
    for shard in shard_names(shards):
        part = groups.get(shard, plan.iloc[:0]).reset_index(drop=True)
        write_if_changed(RESULTS.plan(corpus, shard), _tsv(part))
        plans[shard] = part
    for path in folder.glob("*.tsv"):
        if path.stem not in plans:
            path.unlink()
    return plans


def _tsv(plan: pd.DataFrame) -> bytes:
    columns = [plan[column].tolist() for column in PLAN_COLUMNS]
    lines = ["\t".join(PLAN_COLUMNS), *("\t".join(row) for row in zip(*columns, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def write_request(path: Path, wanted: dict[str, Any], pending: bool) -> None:
    """Ask for `wanted` to be published, if `pending`; otherwise leave the request as it is.

    A publishing rule (commit, score) reads its request. Snakemake reruns it when the request is newer than what was
    published and has another content, so a pending request gets a content of its own each time. One that is only
    missing is written with an old time: nothing has to run for it.
    """
    if not pending and path.exists():
        return
    serial = time.time_ns() if pending else 0
    write_atomic(path, (json.dumps({**wanted, "serial": serial}, indent=1, sort_keys=True) + "\n").encode())
    if not pending:
        os.utime(path, (1, 1))
