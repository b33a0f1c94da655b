"""What stands before the transformers of MulT and AuxFormer (Tsai et al. 2019, section 3.1; Vaswani et al., 3.4)."""

from __future__ import annotations

from torch import Tensor, nn

from affectstore.models.layers.masked import zeroed
from affectstore.models.layers.positions import placed


class InputEmbedding(nn.Module):
    """A sequence scaled by the root of its width, told its positions or not, and dropped out; it learns nothing.

    Args:
        dropout: share of values dropped in training.
        positions: whether steps are told their positions.
    """

    def __init__(self, dropout: float, *, positions: bool):
        super().__init__()
        self.dropout, self.positions = nn.Dropout(dropout), positions

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """(clip, step, width) and bool (clip, step) to the same shape, zero where padded.

        Padding must be zero again: who has nothing to read reads it, and how much of it there is must not matter.
        """
        scaled = sequence.shape[2] ** 0.5 * sequence
        return zeroed(self.dropout(placed(scaled) if self.positions else scaled), mask)
