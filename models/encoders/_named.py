"""How tables and run records call published models; needs no torch."""

from __future__ import annotations

from pathlib import Path


def origin_of(weights: str, revision: str | None) -> str:
    """What weights started as: "random", a model's id, or the last part of a folder's path."""
    if weights == "random":
        return weights
    name = Path(weights).name if weights.startswith((".", "/", "~")) else weights
    return f"{name} (revision {revision})" if revision else name
