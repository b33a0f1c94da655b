"""Published weights that encoders start from: what tables call them, and their digests; needs no torch."""

from __future__ import annotations

from pathlib import Path

from affectstore.weights.find import require
from affectstore.weights.hub import ModelName, find_model
from affectstore.weights.random import RANDOM


def origin_of(weights: str, revision: str | None) -> str:
    """What weights started as: "random", a model's id, or the last part of a folder's path."""
    if weights == RANDOM:
        return weights
    name = Path(weights).name if weights.startswith((".", "/", "~")) else weights
    return f"{name} (revision {revision})" if revision else name


def file_digest(weights: str, file: str) -> str | None:
    """Digest of a known file, where `weights` asks for it; None where they are newly drawn.

    Raises:
        ConfigError: it is not here, or is not the published file.
    """
    return None if weights == RANDOM else require(file).sha256


def model_digest(weights: str, revision: str | None) -> str | None:
    """Digest of the configuration and weights of the model that `weights` names; None where they are newly drawn.

    Raises:
        ConfigError: the model is not here, is not whole, or is another than was asked for.
    """
    return None if weights == RANDOM else find_model(ModelName(weights, revision)).network_digest
