"""Stratified chance: a class is drawn for each clip, as often as it occurs on the training side.

Gumbel noise is added to the logarithms of the classes' shares: the largest sum is that of a class with the
probability that is its share (the Gumbel-max trick: Gumbel 1954, Maddison et al. 2014). A clip's draw follows from
the seed and the clip's name alone. The probabilities are the softmax of the sums: their largest is the draw, and the
loss says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectstore.config.base import Settings
from affectstore.models.baselines.base import BaselineSpec, Examples, Fit, class_shares

SPEC = BaselineSpec(
    version=1,
    summary="a class drawn for each clip, as often as it occurs on the training side",
    reads=False,
    badge="loss says nothing",
)


class Options(Settings):
    """Options of `chance`: none."""


def fit(train: Examples, _val: Examples | None, classes: int, seed: int, _options: Options) -> Fit:
    """Count the classes, and keep the seed that clips are drawn with."""
    state = {"shares": class_shares(train.y, classes), "seed": np.array(seed, dtype=np.int64)}
    return Fit(state, classes, "nothing to choose")


def probabilities(state: Mapping[str, np.ndarray], ids: tuple[str, ...], _x: Any) -> np.ndarray:
    """A draw for each clip."""
    shares, seed = state["shares"], int(state["seed"])
    noise = np.stack([_noise(seed, clip_id, len(shares)) for clip_id in ids])
    # exp(log(share) + noise), so that a class that never occurred keeps exactly 0.
    powers = shares * np.exp(noise)
    return powers / powers.sum(axis=1, keepdims=True)


def _noise(seed: int, clip_id: str, classes: int) -> np.ndarray:
    """Gumbel noise (class,) of one clip."""
    key = hashlib.sha256(f"{seed}\t{clip_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(key[:16], "big")).gumbel(size=classes)
