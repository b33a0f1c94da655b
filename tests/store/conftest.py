"""Small features to write and read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

DIGEST = "ab" * 32
MEL = (ArraySpec("values", "float32", ("column", "band"), (5,), unit="dB"),)
GRID = Grid(Fraction(1, 30), Fraction(22050, 512))

WriteShard = Callable[..., Ledger]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip fsync: thousands of them take minutes, and no test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture
def mel() -> tuple[ArraySpec, ...]:
    """Specs of a small float feature."""
    return MEL


@pytest.fixture
def clip() -> Callable[..., ClipArrays]:
    """Function that makes the arrays of one clip from a seed."""
    return make_clip


@pytest.fixture
def write_shard() -> WriteShard:
    """Function that writes a shard of `values` by clip id; a string instead of arrays is the reason of a failure."""
    return make_shard


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A corpus' store with the feature `mel` in two shards, one clip failed, one not applicable."""
    feature = tmp_path / "corpus" / "mel"
    make_shard(feature, "0", {"a": make_clip(1), "b": make_clip(2, rows=3), "mute": "no sound"})
    make_shard(feature, "1", {"c": make_clip(3, rows=1)}, not_applicable={"still": "no picture"})
    commit(feature, ["0", "1"], {"options": {"n_mels": 5}})
    return feature.parent


def make_clip(seed: int, rows: int = 4, specs: Sequence[ArraySpec] = MEL, grid: Grid | None = GRID) -> ClipArrays:
    """Make random arrays of the declared types."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for spec in specs:
        shape = (rows, *spec.shape)
        if spec.dtype == "bool" or np.dtype(spec.dtype).kind in "iu":
            arrays[spec.name] = rng.integers(0, 2 if spec.dtype == "bool" else 100, shape).astype(spec.dtype)
        else:
            arrays[spec.name] = rng.normal(size=shape).astype(spec.dtype)
        if spec.name == "times":
            arrays[spec.name] = np.sort(arrays[spec.name], axis=0)
    return ClipArrays(arrays, grid)


def make_shard(
    feature: Path,
    shard: str,
    clips: Mapping[str, ClipArrays | str],
    *,
    specs: tuple[ArraySpec, ...] = MEL,
    not_applicable: Mapping[str, str] | None = None,
    container: str = "zarr",
    digest: str = DIGEST,
    attributes: Mapping[str, Any] | None = None,
) -> Ledger:
    """Write one shard; keys are `key-<clip id>`."""
    with ShardWriter(feature, shard, digest, specs, attributes or {"options": {"n_mels": 5}}, container) as writer:
        for clip_id, given in clips.items():
            if isinstance(given, str):
                writer.fail(clip_id, f"key-{clip_id}", "failed", given)
            else:
                writer.append(clip_id, f"key-{clip_id}", given)
        for clip_id, reason in (not_applicable or {}).items():
            writer.fail(clip_id, f"key-{clip_id}", "not_applicable", reason)
        return writer.finish()
