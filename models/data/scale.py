"""How an input is normalised."""

from __future__ import annotations

from affectstore.config.base import Settings

#: A channel or column that deviates less, in its own unit, is constant, and is only centred.
FLAT = 1e-6


class Scale(Settings):
    """Mean and deviation of the training side: per channel, in units of [0, 1], or per column of a sequence."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
