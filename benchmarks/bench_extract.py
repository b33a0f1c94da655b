"""Extraction on one core, writing included: against the bare library calls, and against the seeds' way."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.line import Line, at_least, at_most
from benchmarks.media import FEATURES, MORE, Clips, some_clips
from benchmarks.timing import Rounds, one_core

LEAST_TIMES_FASTER, MOST_TIMES_SLOWER = 2.4, 1.3


def lines(clips: int = 24, rounds: int = 5) -> Iterator[Line]:
    """Milliseconds a clip, all features together and one by one.

    Args:
        clips: Number of clips, in one shard.
        rounds: Number of measurements of each way; the slow way of the seeds at most three times, and what the budget
            does not count at most twice.
    """
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, one_core(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(temporary)
        given = some_clips(clips, folder)
        _measure(given.first(1), folder / "warm-up", Rounds(), (*FEATURES, *MORE))
        _seeds(given.first(1), folder / "seeds", Rounds())
        seconds = Rounds()
        for number in range(rounds):
            _measure(given, folder / "round", seconds, (*FEATURES, *MORE) if number < 2 else FEATURES)
            if number < 3:
                _seeds(given, folder / "seeds", seconds)
        yield from _lines(given, seconds)


def _measure(given: Clips, folder: Path, seconds: Rounds, names: Sequence[str]) -> None:
    """One round of ours and of the bare calls, feature by feature, one right after the other."""
    from benchmarks.bare import Bare

    bare = Bare(folder / "bare")
    for name in names:
        with seconds.timed(f"{name} ours"):
            given.extract(name, folder)
        with seconds.timed(f"{name} bare"):
            for video in given.videos:
                bare.extract(name, video)
    shutil.rmtree(folder)


def _seeds(given: Clips, folder: Path, seconds: Rounds) -> None:
    from benchmarks.seeds_way import SeedsWay

    way = SeedsWay(folder)
    with seconds.timed("seeds"):
        for video in given.videos:
            way.extract(video)
    with seconds.timed("seeds lld"):
        for video in given.videos:
            way.describe(video)
    shutil.rmtree(folder)


def _lines(given: Clips, seconds: Rounds) -> Iterator[Line]:
    ours, bare = ([f"{name} {way}" for name in FEATURES] for way in ("ours", "bare"))

    def ms(*whats: str) -> float:
        return 1000 * seconds.median(*whats) / len(given.plan)

    yield at_most(
        f"extraction of {', '.join(FEATURES)}, {given}, one core",
        f"{ms(*ours):.0f} ms a clip",
        f"bare calls: {ms(*bare):.0f} ms",
        seconds.ratio(ours, bare),
        MOST_TIMES_SLOWER,
    )
    for name in (*FEATURES, *MORE):
        yield at_most(
            f"- {name}",
            f"{ms(f'{name} ours'):.1f} ms a clip",
            f"bare calls: {ms(f'{name} bare'):.1f} ms",
            seconds.ratio([f"{name} ours"], [f"{name} bare"]),
        )
    theirs = ["seeds", "seeds lld"]
    yield at_least(
        "the same, times faster than the seeds' way",
        f"{ms(*ours):.0f} ms a clip",
        f"seeds' way: {ms(*theirs):.0f} ms",
        seconds.ratio(theirs, ours),
        LEAST_TIMES_FASTER,
    )
    but_lld = [way for way in ours if way != "lld ours"]
    yield at_least(
        "- without lld, which openSMILE takes as long for either way",
        f"{ms(*but_lld):.0f} ms a clip",
        f"seeds' way: {ms('seeds'):.0f} ms",
        seconds.ratio(["seeds"], but_lld),
    )
