"""Stratified chance: a random class for each clip, with the class frequencies of the training subset.

Gumbel noise is added to the logarithms of the class frequencies: the largest sum is that of a class with the
probability that is its frequency (the Gumbel-max trick: Gumbel 1954; Maddison et al. 2014, "A* Sampling"). A clip's
noise follows from the seed and the clip's id alone. The probabilities are the softmax of the sums: their largest is the
sampled class, and the loss has no meaning.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from affectstore.config.base import Settings
from affectstore.models.baseline_spec import BaselineSpec, Examples, Fit, class_frequencies

SPEC = BaselineSpec(
    version=1,
    summary="random class for each clip, with the class frequencies of the training subset",
    reads_features=False,
    badge="loss says nothing",
    paper="Maddison et al. 2014, A* Sampling (Gumbel-max trick)",
)


class Options(Settings):
    """`chance` has no options."""


def fit(train: Examples, _val: Examples | None, num_classes: int, seed: int, _options: Options) -> Fit:
    """Count the classes, and keep the seed of the noise."""
    state = {"frequencies": class_frequencies(train.y, num_classes), "seed": np.array(seed, dtype=np.int64)}
    return Fit(state, num_classes, "nothing to choose")


def probabilities(state: Mapping[str, np.ndarray], ids: tuple[str, ...], _x: Any) -> np.ndarray:
    """Probabilities (clip, class) whose largest is the sampled class."""
    frequencies, seed = state["frequencies"], int(state["seed"])
    noise = np.stack([_gumbel_noise(seed, clip_id, len(frequencies)) for clip_id in ids])
    # exp(log(frequency) + noise), so that a class that never occurred keeps exactly 0.
    powers = frequencies * np.exp(noise)
    return powers / powers.sum(axis=1, keepdims=True)


def _gumbel_noise(seed: int, clip_id: str, num_classes: int) -> np.ndarray:
    """Gumbel noise (class,) of one clip."""
    key = hashlib.sha256(f"{seed}\t{clip_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(key[:16], "big")).gumbel(size=num_classes)
