"""Seconds of several ways of doing the same, round by round: what slows the machine for a while slows all of them."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence


class Rounds:
    """Seconds by what was measured, one number a round."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}

    def add(self, what: str, seconds: float) -> None:
        """Note the seconds of one round."""
        self._seconds.setdefault(what, []).append(seconds)

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Time the block as one round."""
        began = time.perf_counter()
        yield
        self.add(what, time.perf_counter() - began)

    def median(self, *whats: str) -> float:
        """Median seconds of a round; of several parts, of their sum."""
        return statistics.median(self._sums(whats))

    def ratio(self, ours: Sequence[str], baseline: Sequence[str]) -> float:
        """Median over the rounds of the ratio within a round; rounds that only one of them has do not count."""
        return statistics.median(a / b for a, b in zip(self._sums(ours), self._sums(baseline), strict=False))

    def _sums(self, whats: Sequence[str]) -> list[float]:
        return [sum(parts) for parts in zip(*(self._seconds[what] for what in whats), strict=True)]


def alternate(count: int, **runs: Callable[[], object]) -> Rounds:
    """Time each of `runs` once a round, `count` rounds."""
    rounds = Rounds()
    for _ in range(count):
        for what, run in runs.items():
            with rounds.timed(what):
                run()
    return rounds


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and those it starts, on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
