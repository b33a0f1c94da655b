"""Options that make encoders and fusions small enough for tests that train; those without any are not here.

Widths that cannot be chosen stay as they are (ResNet-18, GoogLeNet, I3D): tests make their pictures small. Dropout,
and what else makes a training step random, is off.
"""

from __future__ import annotations

from typing import Any

_PICTURES = {"patch_px": 8, "dim": 32, "heads": 2, "mlp": 32}
_STEPS = {"width": 16, "heads": 2, "layers": 2, "dropout": 0.0, "attention_dropout": 0.0}

ENCODERS: dict[str, dict[str, Any]] = {
    "audio_lstm": {"hidden": 16},
    "auxformer": {**_STEPS, "input_dropout": 0.0},
    "blstm": {"hidden": 16, "attention": 8},
    "mlp": {"hidden": 16},
    "pt_vit": {"size_px": 32, "layers": 2, **_PICTURES},
    "transformer": {**_STEPS, "hidden": 32},
    "vgg16": {"hidden": 32, "dropout": 0.0},
    "videomae": {"layers": 2, "dropout": 0.0, **_PICTURES},
    "vit": {"blocks": 2, "dropout": 0.0, **_PICTURES},
}

_STACK = {**_STEPS, "layers": 1, "input_dropout": 0.0}

FUSIONS: dict[str, dict[str, Any]] = {
    "ablation_trained": {**_STACK, "memory_layers": 1, "frame_rate": 0.0},
    "attention": {**_STACK, "pool": 8},
    "auxformer": {**_STACK, "auxiliary_hidden": (16,), "head_dropout": 0.0, "modality_dropout": 0.0},
    "crossmodal": {**_STACK, "memory_layers": 1},
    "ladder": {"reconstruction": 0.01},
    "replicated": {"patch_px": 8},
    "word_gmu": {"width": 16, "hidden": 16, "attention": 8},
}

#: Learning rates of networks that the usual one is too large for: deep, and without normalisation.
RATES = {"vgg16": 1e-4}


def small(encoder: str) -> dict[str, Any]:
    """Options for one encoder."""
    return ENCODERS.get(encoder, {})


def small_fusion(fusion: str) -> dict[str, Any]:
    """Options for one fusion."""
    return FUSIONS.get(fusion, {})
