"""A fusion of vectors with its weights, vectors for it, and counts of parameters."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.base import FUSIONS, Output

TWO, THREE = {"audio": 5, "vision": 3}, {"audio": 5, "vision": 3, "text": 4}
VECTOR = ("equalised", "film", "gated", "gmu", "joint_loss", "lmf", "probe", "sum", "tfn")
SCORE = ("mean", "product", "stacked", "weighted")
CLASSES = 3


class Fused:
    """A fusion with its weights in double precision."""

    def __init__(self, name: str, sizes: dict[str, int], classes: int = CLASSES, seed: int = 0, **options: Any):
        torch.manual_seed(seed)
        self.module = FUSIONS.load(name)
        self.options = self.module.Options(**options)
        self.weights = self.module.weights(sizes, classes, self.options).double()
        self.sizes = sizes

    def __call__(
        self, vectors: dict[str, Tensor], labels: Tensor | None = None, present: dict[str, Tensor] | None = None
    ) -> Output:
        criterion = None if labels is None else partial(F.cross_entropy, target=labels)
        further = (present or {},) if self.module.SPEC.leaves_out else ()
        return self.module.fuse(self.weights, vectors, criterion, self.options, *further)

    def settle(self, vectors: dict[str, Tensor], labels: Tensor) -> None:
        self.module.settle(self.weights, vectors, labels, self.options)

    def __getitem__(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a linear layer."""
        layer = self.weights.get_submodule(name)
        return layer.weight.detach(), layer.bias.detach()


def count(name: str, sizes: dict[str, int], classes: int, **options: Any) -> int:
    """Parameters of a fusion."""
    with torch.device("meta"):
        module = FUSIONS.load(name)
        weights = module.weights(sizes, classes, module.Options(**options))
    return sum(p.numel() for p in weights.parameters())


def linear(size: int, out: int) -> int:
    """Parameters of a linear layer with bias."""
    return (size + 1) * out


def drawn(sizes: dict[str, int], clips: int = 4, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(clips, size, dtype=torch.float64, generator=generator) for m, size in sizes.items()}
