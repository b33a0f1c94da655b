"""Random numbers that depend on names alone, not on the order in which things are made."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator for one thing ("speaker", "1003") under a seed; other things do not disturb it."""
    text = "/".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
