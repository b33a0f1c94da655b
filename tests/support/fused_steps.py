"""A fusion of sequences or layers with its weights, and what encoders may give it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.absent import present_in
from affectstore.models.base import FUSIONS, Encoded, Output

TWO, THREE = {"audio": 6, "vision": 4}, {"audio": 6, "vision": 4, "text": 5}
CLASSES = 3
LABELS = torch.tensor([0, 1, 2, 0])
#: Steps of each of four clips: unlike each other, and unlike across modalities.
LENGTHS = {"audio": (9, 1, 4, 7), "vision": (3, 5, 1, 2), "text": (2, 2, 6, 1)}


class FusedSteps:
    """A fusion with its weights in double precision, without dropout where none is asked for.

    Args:
        name: of the fusion.
        sizes: modality -> width of all that its encoder gives.
        of_layers: how many each encoder gives; 0 for fusions of sequences.
        options: of the fusion.
    """

    def __init__(self, name: str, sizes: dict[str, int], of_layers: int = 0, seed: int = 0, **options: Any):
        torch.manual_seed(seed)
        self.module = FUSIONS.load(name)
        self.options = self.module.Options(**options)
        given: dict[str, Any] = {m: (size,) * of_layers for m, size in sizes.items()} if of_layers else sizes
        self.weights = self.module.weights(given, CLASSES, self.options).double()
        self.sizes = sizes

    def __call__(self, encoded: dict[str, Encoded], labels: Tensor | None = None, *noisy: dict[str, Encoded]) -> Output:
        criterion = None if labels is None else partial(F.cross_entropy, target=labels)
        further: tuple[Any, ...] = noisy
        if self.module.SPEC.leaves_out:  # as the network says it, in evaluation alone
            further = (present_in({m: one.mask for m, one in encoded.items()}) if labels is None else {},)
        return self.module.fuse(self.weights, encoded, criterion, self.options, *further)


def mask_of(lengths: Sequence[int], padding: int = 0) -> Tensor:
    """bool (clip, step)."""
    return torch.arange(max(*lengths, 1) + padding) < torch.tensor(lengths)[:, None]


def given(
    sizes: dict[str, int], lengths: dict[str, Sequence[int]] = LENGTHS, layers: int = 0, seed: int = 1
) -> dict[str, Encoded]:
    """Random layers (one, of which only the sequence is given, where there are to be none), zero where padded."""
    generator = torch.Generator().manual_seed(seed)
    encoded = {}
    for modality, size in sizes.items():
        mask = mask_of(lengths[modality])
        drawn = torch.randn(max(layers, 1), *mask.shape, size, dtype=torch.float64, generator=generator)
        drawn = drawn.masked_fill(~mask[..., None], 0)
        vector = torch.randn(len(mask), size, dtype=torch.float64, generator=generator)
        encoded[modality] = Encoded(vector, drawn[-1], mask, tuple(drawn) if layers else ())
    return encoded


def repadded(encoded: dict[str, Encoded], padding: int, junk: float = 0.0) -> dict[str, Encoded]:
    """The same with so many steps of padding more, in which something stands."""

    def longer(x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, padding), value=junk)

    return {
        m: Encoded(e.vector, longer(e.sequence), F.pad(e.mask, (0, padding)), tuple(map(longer, e.layers)))
        for m, e in encoded.items()
    }


def alone(encoded: dict[str, Encoded], k: int) -> dict[str, Encoded]:
    """One clip without padding, but one step where it has none."""
    out = {}
    for modality, e in encoded.items():
        steps = max(int(e.mask[k].sum()), 1)
        cut = [x[k : k + 1, :steps] for x in (e.sequence, e.mask, *e.layers)]
        out[modality] = Encoded(e.vector[k : k + 1], cut[0], cut[1], tuple(cut[2:]))
    return out
