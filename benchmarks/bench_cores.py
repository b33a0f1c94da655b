"""Two cores instead of one: the store of a small corpus, built by the real DAG."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bench_plan import python
from benchmarks.line import Line, at_least
from benchmarks.timing import Rounds

LEAST_TIMES_FASTER = 1.8


def lines(
    clips: int = 96, shards: int = 8, rounds: int = 1, features: tuple[str, ...] = ("audio", "frames")
) -> Iterator[Line]:
    """Seconds of `affectstore run` from an empty store, start of Snakemake and of every job included.

    Args:
        clips: drawn clips, where AFFECTSTORE_DATA names no copy of CREMA-D; of a copy all are taken.
        shards: jobs a feature; the longest one left at the end leaves a core idle.
        rounds: how often each number of cores is measured.
        features: what is built.
    """
    corpus = "crema-d" if os.environ.get("AFFECTSTORE_DATA") else "synthetic"
    with tempfile.TemporaryDirectory() as temporary:
        fresh, seconds = Path(temporary) / "fresh", Rounds()
        _make(fresh, corpus, clips, shards, features)
        for _ in range(rounds):
            for cores in (1, 2):
                project = Path(temporary) / "project"
                shutil.copytree(fresh, project)
                with seconds.timed(f"{cores}"):
                    python("affectstore", "run", "--cores", str(cores), "--accept-gaps", corpus, cwd=project)
                shutil.rmtree(project)
    jobs = shards * len(features)
    yield at_least(
        f"`affectstore run` of {', '.join(features)} of {corpus}, {jobs} jobs, times faster on two cores",
        f"two cores: {seconds.median('2'):.1f} s",
        f"one core: {seconds.median('1'):.1f} s",
        seconds.ratio(["1"], ["2"]),
        LEAST_TIMES_FASTER,
    )


def _make(project: Path, corpus: str, clips: int, shards: int, features: tuple[str, ...]) -> None:
    """A project whose media are there and have been scanned."""
    settings: dict[str, Any] = {"root": "${AFFECTSTORE_DATA}/crema-d", "shards": shards}
    if corpus == "synthetic":
        settings = {"root": str(project.parent / "media"), "shards": shards, "options": {"clips": clips}}
    config = {
        "corpora": {corpus: settings},
        "features": {name: {"extractor": name} for name in features},
        "experiments": [],
    }
    (project / "workflow" / "experiments").mkdir(parents=True)
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    python("affectstore", "scan", corpus, cwd=project)
