"""Linear layers with ReLU between them, and the options that say how wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

if TYPE_CHECKING:
    from torch import nn

#: Widths of hidden layers, from the first to the last; none is a single linear layer.
Hidden = tuple[Annotated[int, Field(ge=1)], ...]


def perceptron(size: int, hidden: Hidden, out: int) -> nn.Sequential:
    """From vectors of `size` through hidden layers with ReLU to `out` numbers without."""
    from torch import nn

    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(size, width), nn.ReLU()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, out))
