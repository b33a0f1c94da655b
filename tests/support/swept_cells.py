"""Small cells, and a `grid` for them."""

from __future__ import annotations

from typing import Any

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "gmu"}
RATES = {"train.learning_rate": [1e-5, 1e-2]}
BASELINE = {"modalities": ["audio"], "baseline": "linear_svm"}


def swept(grid: dict[str, list[Any]], cell: dict[str, Any] = AUDIO) -> dict[str, Any]:
    """A cell with this grid."""
    return cell | {"grid": grid}
