"""A fusion of vectors with its parameters, vectors for it, and parameter counts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import FUSIONS

TWO, THREE = {"audio": 5, "vision": 3}, {"audio": 5, "vision": 3, "text": 4}
VECTOR = ("equalised", "film", "gated", "gmu", "joint_loss", "lmf", "probe", "sum", "tfn")
SCORE = ("mean", "product", "stacked", "weighted")
CLASSES = 3


class Fused:
    """A fusion of vectors in double precision.

    Attributes:
        declared: Declaration of its file.
        options: Its options.
        fusion: The module.
        sizes: Modality -> length of its vector.
    """

    def __init__(self, name: str, sizes: dict[str, int], classes: int = CLASSES, seed: int = 0, **options: Any):
        torch.manual_seed(seed)
        self.declared = FUSIONS.load(name)
        self.options = self.declared.Options(**options)
        self.fusion: Fusion = self.declared.build(sizes, classes, self.options).double()
        self.sizes = sizes

    def __call__(
        self,
        vectors: Mapping[str, Tensor],
        labels: Tensor | None = None,
        available: Mapping[str, Tensor] | None = None,
        teachers: Mapping[str, Tensor] | None = None,
    ) -> Output:
        """Output for some vectors; with labels also the losses, from the plain cross-entropy."""
        criterion = None if labels is None else partial(F.cross_entropy, target=labels)
        context = FusionContext(criterion, teachers=teachers or {}, available=available or {})
        output: Output = self.fusion(encode(vectors), context)
        return output

    def alone(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> logits of that modality alone."""
        return self.fusion.unimodal_logits(encode(vectors), FusionContext())

    def calibrate(self, vectors: Mapping[str, Tensor], labels: Tensor) -> None:
        """Fit the parameters that are fitted on the validation subset."""
        self.fusion.calibrate(vectors, labels)

    def __getitem__(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a linear layer."""
        layer = self.fusion.get_submodule(name)
        return layer.weight.detach(), layer.bias.detach()


def encode(vectors: Mapping[str, Tensor]) -> dict[str, Encoded]:
    """Outputs of encoders that output a vector alone."""
    return {modality: Encoded(vector) for modality, vector in vectors.items()}


def count(name: str, sizes: dict[str, int], classes: int, **options: Any) -> int:
    """Number of parameters of a fusion."""
    with torch.device("meta"):
        declared = FUSIONS.load(name)
        fusion = declared.build(sizes, classes, declared.Options(**options))
    return sum(p.numel() for p in fusion.parameters())


def linear(size: int, out: int) -> int:
    """Number of parameters of a linear layer with bias."""
    return (size + 1) * out


def drawn(sizes: dict[str, int], clips: int = 4, seed: int = 1) -> dict[str, Tensor]:
    """Modality -> random vectors float64 (clip, dim)."""
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(clips, size, dtype=torch.float64, generator=generator) for m, size in sizes.items()}
