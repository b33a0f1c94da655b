"""Hierarchical fusion word by word (Aguilar et al. 2019, "Multimodal and Multi-view Models for Emotion Recognition").

Each modality's encoder reads its own sequence; the text's steps are words. For each word the states of every other
encoder are taken where the word is spoken, and a gated multimodal unit (see `gmu`) joins them with the word's own
state. A bidirectional LSTM reads the joined words, its states are summed with the weights of a global attention,
e = v^T tanh(W h + b), and a linear layer classifies the sum.

What a word takes of the steps under it (`states`):

- `boundaries`, as published for a BLSTM: of its states, the forward half at the word's last step, which has read the
  word and all before it, and the backward half at its first. Of an encoder without directions these are the first
  half of one step beside the second half of another;
- `mean`: the mean of all states, for any encoder.

For audio and text, and for any modalities beside text. Clips whose word times are not known are left out, with the
reason. The study on IEMOCAP (seed 003) names this as its future work. Ours: sizes, chosen like those of its GMU and its
attention; the layer between encoder and unit is the unit's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, Encoded, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

WORDS = "text"

SPEC = FusionSpec(
    version=1, summary="a gated unit for each word, a BLSTM over words, attention", needs="sequence", words=WORDS
)


class Options(Settings):
    """Options of `word_gmu`."""

    states: Literal["boundaries", "mean"] = Field(
        default="boundaries", description="What a word takes of the steps under it: see `models/fusions/word_gmu.py`."
    )
    width: int = Field(default=128, ge=1, description="Length of the gated units' hidden vectors.")
    hidden: int = Field(default=128, ge=1, description="Units of each direction of the BLSTM over words.")
    layers: int = Field(default=1, ge=1, description="Layers of the BLSTM over words.")
    attention: int = Field(default=64, ge=1, description="Hidden units of the attention.")


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """The unit, which all words share, the BLSTM over words, the attention and the classifier."""
    from torch import nn

    from affectstore.models.fusions._gmu import unit
    from affectstore.models.layers.attention_pool import AttentionPool
    from affectstore.models.layers.lstm import LSTM

    return nn.ModuleDict(
        {
            **unit(sizes, options.width),
            "words": LSTM(options.width, options.hidden, options.layers, both=True, dropout=0.0),
            "attention": AttentionPool(2 * options.hidden, options.attention),
            "classify": nn.Linear(2 * options.hidden, classes),
        }
    )


def fuse(
    weights: nn.ModuleDict, encoded: Mapping[str, Encoded], _criterion: Criterion | None, options: Options
) -> Output:
    """Sequences (clip, step, feature) with their masks, and the steps under each word, to logits (clip, class)."""
    from affectstore.models.fusions._gmu import gated
    from affectstore.models.fusions._masks_of import masks_of
    from affectstore.models.layers.masked import zeroed

    mask = masks_of(encoded)[WORDS]
    words = {m: cast("Tensor", one.sequence) if m == WORDS else _spoken(one, options) for m, one in encoded.items()}
    read = weights["words"](zeroed(gated(weights, words), mask), mask)
    return Output(weights["classify"](weights["attention"](read, mask)), {})


def _spoken(one: Encoded, options: Options) -> Tensor:
    """What each word takes of a modality's states, (clip, word, feature); zero where nothing lies under it."""
    import torch

    from affectstore.models.layers.masked import zeroed

    states = zeroed(cast("Tensor", one.sequence), cast("Tensor", one.mask))
    first, end = cast("Tensor", one.spans).unbind(dim=-1)
    if options.states == "mean":
        step = torch.arange(states.shape[1], device=states.device)
        under = ((step >= first[..., None]) & (step < end[..., None])).to(states.dtype)
        return under @ states / (end - first).clamp(min=1)[..., None]
    clip = torch.arange(len(states), device=states.device)[:, None]
    half, longest = states.shape[2] // 2, states.shape[1] - 1
    ahead, back = (states[clip, place.clamp(0, longest)] for place in (end - 1, first))
    return zeroed(torch.cat([ahead[..., :half], back[..., half:]], dim=2), end > first)
