"""Costs of finding nothing to do, and of planning a corpus far larger than those at hand."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.big_project import CLIPS, CORPUS, EXPERIMENT, SHARDS
from benchmarks.line import Line, limit

_ROOT = Path(__file__).parents[1]


def lines(
    clips: int = CLIPS,
    shards: int = SHARDS,
    rounds: int = 3,
    planned_clips: int = 1_000_000,
    planned_shards: int = 1000,
) -> Iterator[Line]:
    """Seconds of a run that has nothing to do; seconds and memory of a plan.

    Args:
        clips, shards: of the project in which nothing is to be done.
        rounds: how often it is run.
        planned_clips, planned_shards: of the plan.
    """
    with tempfile.TemporaryDirectory() as folder:
        python("benchmarks.big_project", str(clips), str(shards), cwd=folder)
        run = ["affectstore", "run", CORPUS, EXPERIMENT]
        python(*run, cwd=folder)
        seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            output = python(*run, cwd=folder)
            seconds.append(time.perf_counter() - began)
            if "nothing to do" not in output:
                raise RuntimeError(f"the project is not finished:\n{output}")
        yield limit(
            f"`affectstore run` with nothing to do, {clips:,} clips, all features and tables",
            statistics.median(seconds),
            "s",
            10,
        )
    with tempfile.TemporaryDirectory() as folder:
        found = json.loads(python("benchmarks.planning", str(planned_clips), str(planned_shards), cwd=folder))
        what = f"planning {planned_clips:,} clips in {planned_shards:,} shards, keys of all features"
        yield limit(what, found["seconds"], "s", 60)
        yield limit("- its peak memory", found["peak_mb"] / 1000, "GB", 2)


def python(module: str, *arguments: str, cwd: str | Path) -> str:
    """Run a module in a folder; what it printed (both streams of affectstore, whose exit status 3 tells of gaps).

    Raises:
        RuntimeError: it failed; with what it said.
    """
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode not in ((0, 3) if module == "affectstore" else (0,)):
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout if module != "affectstore" else done.stdout + done.stderr
