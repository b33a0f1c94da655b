"""Sequences of any width brought to the fusion's (Tsai et al. 2019, equation 1)."""

from __future__ import annotations

from torch import Tensor, nn

from affectstore.models.layers.masked import zeroed


class Projection(nn.Module):
    """Temporal convolution without bias to the fusion's width; it sees zeros before a clip and after it.

    Args:
        size: width of what the encoder gives.
        width: of the fusion.
        kernel: steps that a step is projected from; odd.
    """

    def __init__(self, size: int, width: int, kernel: int):
        super().__init__()
        self.convolution = nn.Conv1d(size, width, kernel, padding=kernel // 2, bias=False)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """(clip, step, feature) to (clip, step, width), zero where padded."""
        return zeroed(self.convolution(zeroed(sequence, mask).mT).mT, mask)
