"""Random clip reads through the client, against a flat .npy file that numpy maps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import zarr

import affectstore
from affectstore.store.catalog import commit
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid
from benchmarks.line import Line

CLIPS, ROWS, COLUMNS, READS = 1000, 100, 128, 20000


def lines() -> Iterator[Line]:
    """Reads per second of 1,000 clips of (100, 128) float32."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((CLIPS, ROWS, COLUMNS), dtype=np.float32)
    order = rng.integers(CLIPS, size=READS)
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpus"
        spec = (ArraySpec("values", "float32", ("column", "mel"), (COLUMNS,)),)
        with ShardWriter(corpus / "mel", "000", "0" * 64, spec, {}, "zarr") as writer:
            for index in range(CLIPS):
                grid = Grid(Fraction(0), Fraction(100))
                writer.append(f"clip{index:04d}", f"{index:064x}", ClipArrays({"values": values[index]}, grid))
            ledger = writer.finish()
        commit(corpus / "mel", ["000"], {})
        np.save(Path(temporary) / "flat.npy", values.reshape(-1, COLUMNS))
        flat = np.load(Path(temporary) / "flat.npy", mmap_mode="r")
        feature = affectstore.open(corpus)["mel"]
        names = [f"clip{index:04d}" for index in order]
        rounds = [(_rate(lambda: _ours(feature, names)), _rate(lambda: _mapped(flat, order))) for _ in range(5)]
        ours, mapped = (float(np.median(column)) for column in zip(*rounds, strict=True))
        plain = zarr.open_array(corpus / "mel" / ledger.data / "values", mode="r")
        slow = _rate(lambda: _mapped(plain, order[:200]), 200)
    ratio = ours / mapped
    yield Line(
        "random clip reads per second", f"{ours:,.0f}", f"np.load(mmap): {mapped:,.0f}", f"{ratio:.2f}", ">= 0.9", ratio >= 0.9
    )
    yield Line("the same, against zarr-python", f"{ours:,.0f}", f"{slow:,.0f}", f"{ours / slow:.0f}", "", None)


def _ours(feature, names: list[str]) -> float:
    total = 0.0
    for name in names:
        total += float(feature[name][0, 0])
    return total


def _mapped(array, order: np.ndarray) -> float:
    total = 0.0
    for index in order.tolist():
        total += float(array[index * ROWS : (index + 1) * ROWS][0, 0])
    return total


def _rate(run, reads: int = READS) -> float:
    began = time.perf_counter()
    run()
    return reads / (time.perf_counter() - began)
