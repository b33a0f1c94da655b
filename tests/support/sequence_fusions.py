"""Fusions of sequences with small options, and parameters away from their initial values."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from support.fused_steps import THREE, TWO, FusedSteps

STACK = {"dim": 8, "heads": 2, "layers": 2}

#: Small options of every fusion here, with their default dropout.
SMALL: dict[str, dict[str, Any]] = {
    "ablation_trained": {**STACK, "memory_layers": 1},
    "attention": {**STACK, "attention_dim": 5},
    "auxformer": {**STACK, "auxiliary_hidden_dims": (7, 5)},
    "crossmodal": {**STACK, "memory_layers": 1},
}

two_and_three = pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])


def fused(name: str, options: dict[str, Any], sizes: dict[str, int] = TWO) -> FusedSteps:
    """A fusion in evaluation mode, every parameter away from its initial 0 or 1."""
    built = FusedSteps(name, sizes, **options)
    for p in built.fusion.parameters():
        nn.init.normal_(p, std=0.4)
    built.fusion.eval()
    return built
