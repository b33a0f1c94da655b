"""Weights of any shape that are small on disk, and places to look for them that hold nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch


def small_state(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, torch.Tensor]:
    """Tensors of these shapes: kernels repeat one number per output, so that a file holds few of them.

    Small kernels (the first convolution) and everything with one axis differ in every number.
    """
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
        elif len(shape) < 2:
            state[name] = torch.from_numpy(rng.normal(0.1, 0.5, shape).astype(np.float32))
        else:
            own = shape if np.prod(shape) < 2000 else (shape[0], *(1 for _ in shape[1:]))
            values = rng.uniform(-1, 2, own) / np.prod(shape[1:])
            state[name] = torch.from_numpy(values.astype(np.float32)).expand(shape)
    return state


def empty_places(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Work in `folder`, with every cache below it; its `weights/`, which is there and empty."""
    monkeypatch.chdir(folder)
    for name in ("XDG_CACHE_HOME", "TORCH_HOME", "DEEPFACE_HOME"):
        monkeypatch.setenv(name, str(folder / name))
    (folder / "weights").mkdir()
    return folder / "weights"


def publish(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> None:
    """Change the entry of a known file: its digest, its address."""
    from dataclasses import replace

    from affectstore.weights import known

    monkeypatch.setattr(known, "KNOWN", {**known.KNOWN, name: replace(known.KNOWN[name], **changes)})
