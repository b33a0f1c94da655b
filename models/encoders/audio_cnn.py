"""Audio CNN: two convolutions over MFCCs, the audio branch of the joint architectures on RAVDESS (seed 004).

The report says two layers, a single max pooling, a flattened output, and "the first 40 MFCCs for each audio
recording"; it states neither sizes nor along what it convolves. Chosen here: kernels of 5 with padding 2,
64 and 128 channels, ReLU after each, a max pooling of 4 between them, and

- `over: time` (default): coefficients are the channels, convolutions run over the steps, and the mean over
  the steps is the vector (128), so that recordings may have any length;
- `over: coefficients`: the recording is its mean MFCCs, convolutions run over the coefficients, and the
  output is flattened (1,280 for 40 coefficients), which the words allow too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, GivenSteps

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="two convolutions over a sequence", takes="sequence", gives="vector")

_WIDTHS = (64, 128)
_KERNEL = 5
_POOL = 4


class Options(Settings):
    """Options of the audio CNN."""

    over: Literal["time", "coefficients"] = Field(
        default="time", description="What the convolutions run over: the steps, or the columns of their mean."
    )


def features(given: GivenSteps, options: Options) -> int:
    """Length of the vector: 128 channels, times the pooled coefficients where the output is flattened."""
    return _WIDTHS[-1] * (-(-given.columns // _POOL) if options.over == "coefficients" else 1)


def weights(given: GivenSteps, options: Options) -> nn.ModuleList:
    """The two convolutions."""
    from torch import nn

    channels = given.columns if options.over == "time" else 1
    return nn.ModuleList(
        nn.Conv1d(before, after, _KERNEL, padding=_KERNEL // 2)
        for before, after in zip((channels, _WIDTHS[0]), _WIDTHS, strict=True)
    )


def encode(weights: nn.ModuleList, values: Tensor, mask: Tensor, options: Options) -> Tensor:
    """Sequences (clip, step, column) to vectors (clip, feature)."""
    from torch.nn import functional as F

    from affectstore.models.layers.masked import mean, zeroed

    first, second = weights
    if options.over == "coefficients":
        found = F.max_pool1d(F.relu(first(mean(values, mask)[:, None])), _POOL, ceil_mode=True)
        return F.relu(second(found)).flatten(1)
    # Zeros at the padded steps: what the convolution itself pads with, and never above what a ReLU gives.
    found = zeroed(F.relu(first(zeroed(values, mask).mT)).mT, mask)
    found = F.max_pool1d(found.mT, _POOL, ceil_mode=True)
    return mean(F.relu(second(found)).mT, mask[:, ::_POOL])


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
