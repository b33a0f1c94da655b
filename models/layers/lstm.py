"""LSTMs (Hochreiter & Schmidhuber 1997) over padded sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from affectstore.models.layers.masked import backwards, zeroed


class LSTMLayer(nn.Module):
    """One LSTM that reads forwards, and maybe one that reads backwards.

    The latter reads each clip's own steps in reverse order instead of a packed sequence: on a CPU a training
    step of 32 clips of 150 to 300 steps is four times faster so. Padding comes after a clip's steps in
    either direction and changes none of them.
    """

    def __init__(self, columns: int, hidden: int, both: bool):
        super().__init__()
        self.ahead = nn.LSTM(columns, hidden, batch_first=True)
        self.back = nn.LSTM(columns, hidden, batch_first=True) if both else None

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Sequences (clip, step, column) to states (clip, step, feature), forward ones first."""
        ahead, _ = self.ahead(values)
        if self.back is None:
            return ahead
        back, _ = self.back(backwards(values, mask))
        return torch.cat([ahead, backwards(back, mask)], dim=-1)


class LSTM(nn.Module):
    """Layers of LSTMs that read forwards, or both ways.

    Args:
        columns: of each step.
        hidden: units of each direction.
        layers: how many.
        both: whether there is a backward direction.
        dropout: on what one layer gives to the next.
    """

    def __init__(self, columns: int, hidden: int, layers: int, *, both: bool, dropout: float):
        super().__init__()
        given = 2 * hidden if both else hidden
        self.layers = nn.ModuleList(LSTMLayer(given if k else columns, hidden, both) for k in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Sequences (clip, step, column) to states (clip, step, feature), forward ones first; zero where padded."""
        for k, layer in enumerate(self.layers):
            values = layer(self.dropout(values) if k else values, mask)
        return zeroed(values, mask)
