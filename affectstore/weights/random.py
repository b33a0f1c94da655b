"""Random weights, for tests and dry runs: the same to the bit on every machine."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from affectstore.errors import ConfigError

#: Value of an option `weights` that asks for them.
RANDOM = "random"
#: Replacement of a file's digest. Its number changes with the values of `random_state`.
RANDOM_DIGEST = "random:0"

#: Begins the badge of a run whose input features were computed with random weights.
BADGE = "input from random weights"

_ZEROS = ("bias", "running_mean", "num_batches_tracked")


def is_random(digest: str | None) -> bool:
    """Return True if a digest of weights is that of random ones."""
    return digest is not None and digest.startswith(f"{RANDOM}:")


def random_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Initialise a network of linear, convolutional and batch norm layers, by name.

    Matrices and kernels are uniform in +-sqrt(6 / inputs) (He et al. 2015), which preserves the scale of
    activations through ReLU layers; scales and variances are one, the rest zero. Each depends on its name
    and shape alone.

    Args:
        shapes: Name -> shape.

    Raises:
        ConfigError: A name belongs to none of these layers.
    """
    return {name: _initialise(name, shape) for name, shape in shapes.items()}


def _initialise(name: str, shape: tuple[int, ...]) -> np.ndarray:
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
