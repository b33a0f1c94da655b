"""Requests: the small files by which the preflight asks Snakemake to publish something again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from affectstore.files import write_atomic


def write_request(path: Path, wanted: dict[str, Any], pending: bool) -> None:
    """Ask for `wanted` to be published, if `pending`; otherwise leave the request as it stands.

    A publishing rule (commit, score) reads its request. Snakemake reruns it when the request is newer
    than what was published and has another content, so a pending request gets a content of its own
    each time. One that is only missing is written with an old time: nothing has to run for it.
    """
    if not pending and path.exists():
        return
    serial = time.time_ns() if pending else 0
    write_atomic(path, (json.dumps({**wanted, "serial": serial}, indent=1, sort_keys=True) + "\n").encode())
    if not pending:
        os.utime(path, (1, 1))
