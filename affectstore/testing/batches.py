"""Random inputs, encoded modalities and training steps for the contract suites of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.modules import Encoded
from affectstore.models.spec import ClipShape, SequenceShape, Shape

ModuleT = TypeVar("ModuleT", bound=nn.Module)

NUM_CLASSES = 3
#: Steps of each of four clips, by the place of the modality: unlike each other, and unlike across modalities.
LENGTHS = ((9, 1, 4, 7), (3, 5, 1, 2), (2, 2, 6, 1))


def mask_of(lengths: Sequence[int]) -> Tensor:
    """Mask bool (clip, step) of clips of these lengths."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def random_inputs(shape: Shape, clips: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Make float32 values of a shape and their mask; clips differ in length, and padding is zero at the end."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(shape, SequenceShape):
        mask = mask_of([LENGTHS[0][k % 4] for k in range(clips)])
        values = torch.randn(*mask.shape, shape.dim, generator=generator)
        return values * mask[..., None], mask
    values = torch.randn(clips, *shape.size, generator=generator)
    mask = torch.ones(clips, shape.frames if isinstance(shape, ClipShape) else 1, dtype=torch.bool)
    if isinstance(shape, ClipShape):
        mask[-1, -2:] = False
        values[-1, :, -2:] = 0
    return values, mask


def select_clip(values: Tensor, mask: Tensor, clip: int, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Select one clip of a batch of sequences, and pad it by some steps behind its end."""
    steps = int(mask[clip].sum())
    values = F.pad(values[clip : clip + 1, :steps], (0, 0, 0, padding))
    return values, F.pad(mask[clip : clip + 1, :steps], (0, padding))


def random_encoded(dims: Mapping[str, int], layers: int = 0, words: str | None = None) -> dict[str, Encoded]:
    """Make the encoded modalities of four clips in double precision, zero where padded.

    Args:
        dims: Modality -> length of its vector and of each step.
        layers: Number of layers; 0 for encoders that output none.
        words: Modality whose steps are words; the others get the spans of these words.
    """
    generator = torch.Generator().manual_seed(0)
    encoded = {}
    for (modality, dim), lengths in zip(dims.items(), LENGTHS, strict=False):
        mask = mask_of(lengths)
        hidden = torch.randn(max(layers, 1), *mask.shape, dim, dtype=torch.float64, generator=generator)
        hidden = hidden * mask[..., None]
        vector = torch.randn(len(mask), dim, dtype=torch.float64, generator=generator)
        encoded[modality] = Encoded(vector, hidden[-1], mask, tuple(hidden) if layers else ())
    if words is None:
        return encoded
    return {m: e if m == words else e._replace(spans=_spans(e, encoded[words])) for m, e in encoded.items()}


def _spans(encoded: Encoded, words: Encoded) -> Tensor:
    """Steps under each word, each word overlapping the next."""
    mask, word_mask = encoded.steps()[1], words.steps()[1]
    steps, count = mask.sum(dim=1), word_mask.sum(dim=1)
    first = torch.arange(word_mask.shape[1]) * steps[:, None] // count.clamp(min=1)[:, None]
    return torch.stack([first, (first + 2).minimum(steps[:, None])], dim=2) * word_mask[..., None]


def select_encoded(encoded: Mapping[str, Encoded], clip: int) -> dict[str, Encoded]:
    """Select one clip of each modality, without padding."""
    selected = {}
    for modality, one in encoded.items():
        sequence, mask = one.steps()
        steps = int(mask[clip].sum())
        rows = slice(clip, clip + 1)
        selected[modality] = Encoded(
            one.vector[rows],
            sequence[rows, :steps],
            mask[rows, :steps],
            tuple(layer[rows, :steps] for layer in one.layers),
            None if one.spans is None else one.spans[rows],
        )
    words = [one.steps()[1].shape[1] for one in selected.values() if one.spans is None]
    return {m: e if e.spans is None else e._replace(spans=e.spans[:, : words[0]]) for m, e in selected.items()}


def parameters_without_gradient(module: nn.Module, loss: Callable[[], Tensor], steps: int = 3) -> set[str]:
    """Names of the parameters that have no gradient in any of some training steps."""
    without = {name for name, _ in module.named_parameters()}
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    for _ in range(steps):  # some parameters have none at first
        optimizer.zero_grad()
        loss().backward()
        without &= {name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
        if not without:
            break
        optimizer.step()
    return without


def evaluated(module: ModuleT, run: Callable[[], object]) -> ModuleT:
    """Put a module into evaluation mode, its batch normalisation with the statistics of one batch.

    Args:
        module: The module.
        run: Runs it on a batch.
    """
    norms = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the mean over all clips
    if norms:
        with torch.no_grad():
            run()
    return module.eval()
