"""Random weights, for tests and dry runs: the same to the bit on every machine."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from affectstore.errors import ConfigError

#: Value of an option `weights` that asks for them.
RANDOM = "random"
#: What stands for the digest of a file. A change of what `random_state` gives changes the number.
RANDOM_DIGEST = "random:0"

#: Begins the badge of a run whose input features were computed with random weights.
BADGE = "input from random weights"

_ZEROS = ("bias", "running_mean", "num_batches_tracked")


def is_random(digest: str | None) -> bool:
    """Whether a digest of weights is that of random ones."""
    return digest is not None and digest.startswith(f"{RANDOM}:")


def random_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Weights of a network of linear, convolutional and batch norm layers, by name.

    Matrices and kernels are uniform in +-sqrt(6 / inputs) (He et al. 2015), which keeps the size of what
    passes through rectified layers; scales and variances are one, the rest zero. Each depends on its name
    and shape alone.

    Args:
        shapes: name -> shape.

    Raises:
        ConfigError: a name is of none of these layers.
    """
    return {name: _drawn(name, shape) for name, shape in shapes.items()}


def _drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    kind = name.rpartition(".")[2]
    if kind == "weight" and len(shape) > 1:
        values = np.random.default_rng(zlib.crc32(name.encode())).random(shape, dtype=np.float32)
        values -= np.float32(0.5)
        values *= np.float32(2 * np.sqrt(6 / np.prod(shape[1:])))
        return values
    if kind in ("weight", "running_var"):
        return np.ones(shape, dtype=np.float32)
    if kind in _ZEROS:
        return np.zeros(shape, dtype=np.int64 if kind == "num_batches_tracked" else np.float32)
    raise ConfigError(f"random weights: {name} is of no linear, convolutional or batch norm layer")
