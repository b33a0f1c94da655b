"""The optimisers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from affectstore.config.training import Training


def optimiser_of(network: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimiser of a network's parameters, at the full learning rate."""
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    momentum = {"momentum": settings.momentum} if settings.optimiser == "sgd" else {}
    return kinds[settings.optimiser](
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True, **momentum
    )
