"""A fusion of sequences or layers with its parameters, and encoded modalities for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.blocks.missing import availability
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import FUSIONS

TWO, THREE = {"audio": 6, "vision": 4}, {"audio": 6, "vision": 4, "text": 5}
CLASSES = 3
LABELS = torch.tensor([0, 1, 2, 0])
#: Steps of each of four clips: unlike each other, and unlike across modalities.
LENGTHS = {"audio": (9, 1, 4, 7), "vision": (3, 5, 1, 2), "text": (2, 2, 6, 1)}


class FusedSteps:
    """A fusion of sequences or layers in double precision.

    Args:
        name: Name of the fusion.
        sizes: Modality -> length of each step that its encoder outputs.
        of_layers: Number of layers that each encoder outputs; 0 for fusions of sequences.
        options: Options of the fusion.

    Attributes:
        declared: Declaration of its file.
        options: Its options.
        fusion: The module.
    """

    def __init__(self, name: str, sizes: dict[str, int], of_layers: int = 0, seed: int = 0, **options: Any):
        torch.manual_seed(seed)
        self.declared = FUSIONS.load(name)
        self.options = self.declared.Options(**options)
        dims: dict[str, Any] = {m: (size,) * of_layers for m, size in sizes.items()} if of_layers else sizes
        self.fusion: Fusion = self.declared.build(dims, CLASSES, self.options).double()
        self.sizes = sizes

    def __call__(
        self,
        encoded: dict[str, Encoded],
        labels: Tensor | None = None,
        noisy: dict[str, Encoded] | None = None,
    ) -> Output:
        """Output for some encoded modalities; with labels also the losses, from the plain cross-entropy."""
        # As the network does it: modalities are left out in evaluation alone.
        available = availability({m: one.steps()[1] for m, one in encoded.items()}) if labels is None else {}
        criterion = None if labels is None else partial(F.cross_entropy, target=labels)
        output: Output = self.fusion(encoded, FusionContext(criterion, noisy, available=available))
        return output


def mask_of(lengths: Sequence[int], padding: int = 0) -> Tensor:
    """bool (clip, step)."""
    return torch.arange(max(*lengths, 1) + padding) < torch.tensor(lengths)[:, None]


def given(
    sizes: dict[str, int], lengths: dict[str, Sequence[int]] = LENGTHS, layers: int = 0, seed: int = 1
) -> dict[str, Encoded]:
    """Random sequences, or layers of which the last one is the sequence; zero where padded."""
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
    """The same with more steps of padding, filled with a value."""

    def longer(x: Tensor) -> Tensor:
        return F.pad(x, (0, 0, 0, padding), value=junk)

    return {
        m: Encoded(e.vector, longer(e.sequence), F.pad(e.mask, (0, padding)), tuple(map(longer, e.layers)))
        for m, e in encoded.items()
    }


def alone(encoded: dict[str, Encoded], k: int) -> dict[str, Encoded]:
    """One clip without padding, except for one step where it has none."""
    out = {}
    for modality, e in encoded.items():
        steps = max(int(e.mask[k].sum()), 1)
        cut = [x[k : k + 1, :steps] for x in (e.sequence, e.mask, *e.layers)]
        out[modality] = Encoded(e.vector[k : k + 1], cut[0], cut[1], tuple(cut[2:]))
    return out
