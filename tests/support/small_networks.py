"""Options that make an encoder's network small enough for tests that train; encoders without any are not here.

Widths that cannot be chosen stay as they are (ResNet-18, GoogLeNet, I3D): tests make their pictures small.
"""

from __future__ import annotations

from typing import Any

_TRANSFORMER = {"patch_px": 8, "dim": 32, "heads": 2, "mlp": 32}

SMALL: dict[str, dict[str, Any]] = {
    "pt_vit": {"size_px": 32, "layers": 2, **_TRANSFORMER},
    "vgg16": {"hidden": 32, "dropout": 0.0},
    "videomae": {"layers": 2, "dropout": 0.0, **_TRANSFORMER},
    "vit": {"blocks": 2, "dropout": 0.0, **_TRANSFORMER},
}

#: Learning rates of networks that the usual one is too large for: deep, and without normalisation.
RATES = {"vgg16": 1e-4}


def small(encoder: str) -> dict[str, Any]:
    """Options for one encoder."""
    return SMALL.get(encoder, {})
