"""Audio LSTM over MFCCs: the audio branch of architecture 2 on RAVDESS (seed 004).

The report says that an LSTM replaces the audio CNN because sound has a temporal structure, and no sizes.
Chosen here: two layers of 128 units that read forwards; the vector is the state after the last step. On 40
coefficients it has 219,136 parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Encoded, EncoderSpec, GivenSteps

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="LSTMs that read forwards", takes="sequence", gives="sequence")


class Options(Settings):
    """Options of the audio LSTM."""

    hidden: int = Field(default=128, ge=1, description="Units.")
    layers: int = Field(default=2, ge=1, description="Layers.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of states dropped between layers in training.")


def features(_given: GivenSteps, options: Options) -> int:
    """Width of the states and of the vector."""
    return options.hidden


def weights(given: GivenSteps, options: Options) -> nn.Module:
    """The LSTMs."""
    from affectstore.models.layers.lstm import LSTM

    return LSTM(given.columns, options.hidden, options.layers, both=False, dropout=options.dropout)


def encode(weights: nn.Module, values: Tensor, mask: Tensor, _options: Options) -> Encoded:
    """Sequences (clip, step, column) to states (clip, step, feature) and the last of them (clip, feature)."""
    from affectstore.models.layers.masked import last

    states = weights(values, mask)
    return Encoded(last(states, mask), states, mask)


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
