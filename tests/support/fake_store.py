"""A store in memory with the reading client's interface, a split of it, and experiments on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from affectstore.config.experiment import Experiment

CLASSES = ("ANG", "HAP", "SAD")


@dataclass
class FakeFeature:
    """Rows per clip, or the reason why there are none."""

    arrays: dict[str, np.ndarray]
    failed: dict[str, str]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, clip_id: str) -> int:
        return len(self.arrays[clip_id])

    def take(self, clip_id: str, rows: np.ndarray) -> np.ndarray:
        return self.arrays[clip_id][rows]

    def __getitem__(self, clip_id: str) -> np.ndarray:
        return self.arrays[clip_id]

    @property
    def spec(self) -> SimpleNamespace:
        first = next(iter(self.arrays.values()))
        return SimpleNamespace(shape=first.shape[1:], dtype=str(first.dtype))

    @property
    def status(self) -> pd.DataFrame:
        ok = [(clip, "ok", "", len(rows)) for clip, rows in self.arrays.items()]
        failed = [(clip, "failed", reason, 0) for clip, reason in self.failed.items()]
        return pd.DataFrame(ok + failed, columns=["clip_id", "status", "reason", "rows"])


@dataclass
class FakeStore:
    """Features by name, and the clips table."""

    features: Mapping[str, FakeFeature]
    clips: pd.DataFrame

    def __getitem__(self, name: str) -> FakeFeature:
        return self.features[name]


def make_store(clips: int = 24, size: int = 16, frames: int = 6, seed: int = 0) -> FakeStore:
    """Clips whose class is a bright stripe in the image and in the spectrogram, with noise."""
    rng = np.random.default_rng(seed)
    ids = [f"{k:03d}" for k in range(clips)]
    labels = [CLASSES[k % len(CLASSES)] for k in range(clips)]
    faces, videos, images, chunks = {}, {}, {}, {}
    for clip_id, label in zip(ids, labels, strict=True):
        stripe = slice(CLASSES.index(label) * size // 3, (CLASSES.index(label) + 1) * size // 3)
        count = int(rng.integers(frames - 2, frames + 6))

        def drawn(count: int, stripe: slice = stripe) -> np.ndarray:
            rows = rng.integers(0, 120, (count, size, size, 3), dtype=np.uint8)
            rows[:, stripe] += 100
            return rows

        faces[clip_id], videos[clip_id], images[clip_id] = drawn(count), drawn(count), drawn(1)[..., 0]
        level = rng.uniform(-80, -50, (count, size, 4)).astype(np.float16)
        level[:, stripe] += 40
        chunks[clip_id] = level
    table = pd.DataFrame(
        {
            "clip_id": ids,
            "speaker": [f"s{k % 8}" for k in range(clips)],
            "level": ["HI" if k % 2 else "LO" for k in range(clips)],
            "label_intended": labels,
        }
    )
    features = {"faces": faces, "frames": videos, "mel_image": images, "mel_chunks": chunks}
    return FakeStore({name: FakeFeature(rows, {}) for name, rows in features.items()}, table)


def store_of(**features: dict[str, np.ndarray]) -> FakeStore:
    """A store of these rows, by feature and clip, without a clips table."""
    return FakeStore({name: FakeFeature(rows, {}) for name, rows in features.items()}, pd.DataFrame())


def make_split(store: FakeStore) -> pd.DataFrame:
    """One fold: half of the clips for training, a quarter each for validation and test."""
    subsets = np.array(["train", "train", "val", "test"])[np.arange(len(store.clips)) // 3 % 4]
    return pd.DataFrame({"fold": 0, "clip_id": store.clips["clip_id"], "subset": subsets, "reason": ""})


def make_experiment(cell: Mapping[str, Any], **changes: Any) -> Experiment:
    """An experiment of one cell on small images."""
    settings: dict[str, Any] = {
        "title": "test",
        "corpus": "synthetic",
        "seeds": 1,
        "images": {"image_px": 16, "colour": "grayscale", "frames": 6},
        "train": {"learning_rate": 1e-2, "batch_size": 6, "epochs": 3},
    }
    settings |= changes
    return Experiment(cells=(dict(cell),), **settings)
