"""Two cores instead of one: the store of a small corpus, built by the real DAG."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bench_plan import python
from benchmarks.line import Line, at_least, at_most
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
        fresh, seconds, others = Path(temporary) / "fresh", Rounds(), 0.0
        _make(fresh, corpus, clips, shards, features)
        for _ in range(rounds):
            for cores in (1, 2):
                project = Path(temporary) / "project"
                shutil.copytree(fresh, project)
                with seconds.timed(f"{cores}"), _Machine() as machine:
                    python("affectstore", "run", "--cores", str(cores), "--accept-gaps", corpus, cwd=project)
                shutil.rmtree(project)
                seconds.add(f"{cores} processor", machine.ours_s)
                others = max(others, machine.others)
    jobs = shards * len(features)
    yield at_least(
        f"`affectstore run` of {', '.join(features)} of {corpus}, {jobs} jobs, times faster on two cores",
        f"two cores: {seconds.median('2'):.1f} s",
        f"one core: {seconds.median('1'):.1f} s",
        seconds.ratio(["1"], ["2"]),
        LEAST_TIMES_FASTER,
    )
    spent = [seconds.median(f"{cores} processor") for cores in (2, 1)]
    yield at_most(
        "- processor time of the same", f"{spent[0]:.1f} s", f"one core: {spent[1]:.1f} s", spent[0] / spent[1]
    )
    yield Line("- share of the machine that others had meanwhile", f"{others:.0%}", "", "")


class _Machine:
    """Processor time used during a block.

    Attributes:
        ours_s: seconds of processor time of the processes that the block ran.
        others: share of all cores that went to anything else; the ratio means little where it is not small.
    """

    ours_s = others = 0.0

    def __enter__(self) -> _Machine:
        self._before = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        elapsed, busy, ours = (now - then for now, then in zip(self._now(), self._before, strict=True))
        self.ours_s, self.others = ours, max(0.0, busy - ours) / (elapsed * (os.cpu_count() or 1))

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds: of the clock, of all cores at work, of our finished processes."""
        import psutil

        times, children = psutil.cpu_times(), resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic(), times.user + times.nice + times.system, children.ru_utime + children.ru_stime


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
