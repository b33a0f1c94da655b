"""Published weights that encoders start from, by digest: part of what a cell follows from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affectstore.models.base import ENCODERS


def weights_digests(encoders: Mapping[str, tuple[str, Any]]) -> dict[str, str]:
    """Modality -> digest of what would be loaded; without those whose weights are newly drawn.

    Args:
        encoders: modality -> name of its encoder, and an instance of that one's `Options`.

    Raises:
        ConfigError: weights are not here, or not what they should be; the message says what to do.
    """
    found = {}
    for modality, (name, options) in encoders.items():
        module = ENCODERS.load(name)
        sha256 = module.weights_digest(options) if hasattr(module, "weights_digest") else None
        if sha256 is not None:
            found[modality] = sha256
    return found
