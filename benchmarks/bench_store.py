"""Random clip reads through the client, against flat .npy files that numpy maps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import zarr

import affectstore
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid
from benchmarks.line import Line, at_least
from benchmarks.timing import alternate, one_core

COLUMNS, SHARDS, LEAST = 128, 16, 0.9

Read = Callable[[int], np.ndarray]


def lines(clips: int = 1000, reads: int = 20_000, rounds: int = 7) -> Iterator[Line]:
    """Reads per second of clips of 60 to 140 rows of 128 float32, in 16 shards; 16 flat files beside them.

    Every read finds its clip anew, in random order; the page cache is warm on both sides.

    Args:
        clips: Number of clips, 50 kB each.
        reads: Number of reads per round.
        rounds: Number of measurements of each way.
    """
    rng = np.random.default_rng(0)
    rows = rng.integers(60, 141, size=clips)
    shard = np.arange(clips) * SHARDS // clips
    order = rng.integers(clips, size=reads).tolist()
    with tempfile.TemporaryDirectory() as temporary, one_core():
        folder = Path(temporary)
        first = np.concatenate([np.cumsum(rows[shard == s]) - rows[shard == s] for s in range(SHARDS)]).tolist()
        last, shard_of = (np.array(first) + rows).tolist(), shard.tolist()
        data = [_write(folder, s, np.flatnonzero(shard == s), rows, rng) for s in range(SHARDS)]
        commit(folder / "corpus" / "mel", [f"{s:03d}" for s in range(SHARDS)], {})
        flat = [np.load(folder / f"{s}.npy", mmap_mode="r") for s in range(SHARDS)]
        plain = [zarr.open_array(folder / "corpus" / "mel" / path / "values", mode="r") for path in data]
        feature, names = affectstore.open(folder / "corpus")["mel"], [_name(clip) for clip in range(clips)]

        def ours(clip: int) -> np.ndarray:
            return feature[names[clip]]

        def mapped(clip: int) -> np.ndarray:
            return flat[shard_of[clip]][first[clip] : last[clip]]

        def zarr_python(clip: int) -> np.ndarray:
            return np.asarray(plain[shard_of[clip]][first[clip] : last[clip]])

        for title, use in (("every byte copied", _copy), ("one number looked at", _look)):
            yield _line(f"random clip reads per second, {title}", ours, mapped, use, order, rounds, LEAST)
        yield _line("the same against zarr-python, every byte copied", ours, zarr_python, _copy, order[:300], 3, None)


def _line(
    what: str, ours: Read, other: Read, use: Callable, order: list[int], rounds: int, least: float | None
) -> Line:
    seconds = alternate(rounds, ours=lambda: use(ours, order), other=lambda: use(other, order))
    per_s = {way: len(order) / seconds.median(way) for way in ("ours", "other")}
    baseline = "np.load(mmap)" if least else "zarr-python"
    return at_least(
        what,
        f"{per_s['ours']:,.0f}",
        f"{baseline}: {per_s['other']:,.0f}",
        seconds.ratio(["other"], ["ours"]),
        least,
    )


def _copy(read: Read, order: list[int]) -> None:
    buffer = np.empty((140, COLUMNS), np.float32)
    for clip in order:
        values = read(clip)
        buffer[: len(values)] = values


def _look(read: Read, order: list[int]) -> float:
    return sum(float(read(clip)[0, 0]) for clip in order)


def _write(folder: Path, shard: int, clips: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> str:
    """Write a shard and its flat file; where the shard's data lie."""
    spec = (ArraySpec("values", "float32", ("column", "mel"), (COLUMNS,)),)
    values = [rng.standard_normal((rows[clip], COLUMNS), dtype=np.float32) for clip in clips]
    np.save(folder / f"{shard}.npy", np.concatenate(values))
    with ShardWriter(folder / "corpus" / "mel", f"{shard:03d}", "0" * 64, spec, {}, "zarr") as writer:
        for clip, array in zip(clips, values, strict=True):
            writer.append(_name(clip), f"{clip:064x}", ClipArrays({"values": array}, Grid(Fraction(0), Fraction(100))))
        return writer.finish().data


def _name(clip: int) -> str:
    return f"clip{clip:04d}"
