"""One modality as sequences: the steps of all clips one behind the other, padded only in a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from affectstore.models.data.scale import FLAT, Scale
from affectstore.models.data.transfer import moved

_CHUNK = 4096  # steps a time when a whole side is summed, so that it is never held as float64


@dataclass(frozen=True)
class StepInputs:
    """One modality of every clip.

    Attributes:
        values: (step, column), float32, or float16 where it is stored so; the clips' steps joined.
        edges: int64 (clip + 1,), on the CPU: clip k is steps edges[k]:edges[k + 1].
    """

    values: Tensor
    edges: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return self.values.numel() * self.values.element_size()

    @property
    def lengths(self) -> Tensor:
        """int64 (clip,), steps of each clip."""
        return self.edges.diff()

    def to(self, device: torch.device) -> StepInputs:
        """The same with its values on a device."""
        return StepInputs(self.values.to(device), self.edges)

    def scale(self, normalise: str) -> Scale:
        """Mean and deviation of each column over all steps; 0 and 1 with `none`."""
        steps, columns = self.values.shape
        if normalise == "none":
            return Scale(mean=(0.0,) * columns, std=(1.0,) * columns)
        mean = torch.zeros(columns, dtype=torch.float64)
        for start in range(0, steps, _CHUNK):
            mean += self.values[start : start + _CHUNK].double().sum(dim=0).cpu()
        mean /= steps
        squares = torch.zeros(columns, dtype=torch.float64)
        for start in range(0, steps, _CHUNK):
            # In a second pass, around the mean: descriptors in Hz would lose their digits in a sum of squares.
            squares += (self.values[start : start + _CHUNK].double().cpu() - mean).square().sum(dim=0)
        std = (squares / steps).sqrt()
        std[std <= FLAT * mean.abs().clamp(min=1e-12)] = 1.0
        return Scale(mean=tuple(mean.tolist()), std=tuple(std.tolist()))

    def gather(self, place: Tensor, scale: Scale, device: torch.device) -> tuple[Tensor, Tensor]:
        """The clips at these places: float32 (clip, step, column), normalised, zero where padded; and the mask."""
        begins, lengths = self.edges[place], self.lengths[place]
        step = torch.arange(int(lengths.max()))
        mask = step[None] < lengths[:, None]
        # A padded step reads any step of the data, and is set to zero after normalising.
        rows = torch.where(mask, begins[:, None] + step[None], begins[:, None])
        x = moved(self.values[rows.to(self.values.device)], device).float()
        mean, std = (torch.tensor(v, device=device) for v in (scale.mean, scale.std))
        mask = mask.to(device)
        return (x - mean) / std * mask[..., None], mask
