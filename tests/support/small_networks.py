"""Options that make encoders and fusions small enough for tests that train; those without any are not here.

Sizes that are no options stay as they are (ResNet-18, GoogLeNet, I3D): tests make their images small. Dropout, and
everything else that makes a training step random, is off.
"""

from __future__ import annotations

from typing import Any

_PATCHES = {"patch_px": 8, "dim": 32, "heads": 2, "ffn_dim": 32}
_STEPS = {"dim": 16, "heads": 2, "layers": 2, "dropout": 0.0, "attention_dropout": 0.0}

ENCODERS: dict[str, dict[str, Any]] = {
    "audio_lstm": {"hidden_dim": 16},
    "auxformer": {**_STEPS, "input_dropout": 0.0},
    "blstm": {"hidden_dim": 16, "attention_dim": 8},
    "mlp": {"hidden_dim": 16},
    "pt_vit": {"size_px": 32, "layers": 2, **_PATCHES},
    "transformer": {**_STEPS, "ffn_dim": 32},
    "vgg16": {"hidden_dim": 32, "dropout": 0.0},
    "videomae": {"layers": 2, "dropout": 0.0, **_PATCHES},
    "vit": {"blocks": 2, "dropout": 0.0, **_PATCHES},
}

_STACK = {**_STEPS, "layers": 1, "input_dropout": 0.0}

FUSIONS: dict[str, dict[str, Any]] = {
    "ablation_trained": {**_STACK, "memory_layers": 1, "frame_rate": 0.0},
    "attention": {**_STACK, "attention_dim": 8},
    "auxformer": {**_STACK, "auxiliary_hidden_dims": (16,), "head_dropout": 0.0, "modality_dropout": 0.0},
    "crossmodal": {**_STACK, "memory_layers": 1},
    "ladder": {"reconstruction": 0.01},
    "replicated": {"patch_px": 8},
    "word_gmu": {"hidden_dim": 16, "lstm_dim": 16, "attention_dim": 8},
}

#: Learning rates of networks for which the usual one is too large: deep ones without normalisation.
RATES = {"vgg16": 1e-4}


def small(encoder: str) -> dict[str, Any]:
    """Options for one encoder."""
    return ENCODERS.get(encoder, {})


def small_fusion(fusion: str) -> dict[str, Any]:
    """Options for one fusion."""
    return FUSIONS.get(fusion, {})
