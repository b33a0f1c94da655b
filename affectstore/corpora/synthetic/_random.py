"""Random generators that depend on names alone, not on the order in which they are used."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """Build the random generator of one purpose ("speaker", "1003") from a seed, independent of all others."""
    text = "/".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
