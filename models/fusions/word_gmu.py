"""Hierarchical fusion word by word (Aguilar et al. 2019, "Multimodal and Multi-view Models for Emotion Recognition").

Each modality's encoder reads its own sequence; the steps of the text are words. For each word the states of every
other encoder are taken where the word is spoken, and a gated multimodal unit (see `gmu`) joins them with the word's
own state. A bidirectional LSTM reads the joined words, its states are summed with the weights of a global attention,
e = v^T tanh(W h + b), and a linear layer classifies the sum.

The states of the steps under a word are reduced to one (`states`):

- `boundaries`, as published for a BLSTM: of its states, the forward half at the word's last step, which has read the
  word and all before it, and the backward half at its first. Of an encoder without directions these are the first half
  of one step beside the second half of another;
- `mean`: the mean of all states, for any encoder.

For audio and text, and for any modalities beside text. Clips without word times are left out, with the reason.
Document 003 names this as its future work. Ours: sizes, chosen like those of its GMU and its attention; the layer
between encoder and unit is the unit's own.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from affectstore.models.blocks.gmu import GatedMultimodalUnit
from affectstore.models.blocks.lstm import LSTM
from affectstore.models.blocks.masked import AttentionPool, apply_mask
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import FusionOptions, FusionSpec

WORDS = "text"

SPEC = FusionSpec(
    version=1,
    summary="a gated unit for each word, a BLSTM over words, attention",
    needs="sequence",
    paper="Aguilar et al. 2019, Multimodal and Multi-view Models for Emotion Recognition; document 003, future work",
    words=WORDS,
)


class Options(FusionOptions):
    """Options of `word_gmu`."""

    renamed: ClassVar[Mapping[str, str]] = {
        "width": "hidden_dim",
        "hidden": "lstm_dim",
        "attention": "attention_dim",
    }

    states: Literal["boundaries", "mean"] = Field(
        default="boundaries",
        description="State of a word: the forward half of the last and the backward half of the first state under it, "
        "or the mean of all states under it.",
    )
    hidden_dim: int = Field(default=128, ge=1, description="Dimension of the gated units' hidden vectors.")
    lstm_dim: int = Field(default=128, ge=1, description="Units of each direction of the BLSTM over words.")
    layers: int = Field(default=1, ge=1, description="Layers of the BLSTM over words.")
    attention_dim: int = Field(default=64, ge=1, description="Hidden units of the attention.")


class WordGMU(Fusion):
    """Join all modalities at each word and classify the sequence of words."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim = 2 * options.lstm_dim
        self.states = options.states
        self.unit = GatedMultimodalUnit(dims, options.hidden_dim)
        self.lstm = LSTM(options.hidden_dim, options.lstm_dim, options.layers, bidirectional=True, dropout=0.0)
        self.attention = AttentionPool(dim, options.attention_dim)
        self.classifier = nn.Linear(dim, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Sequences (clip, step, dim) with their masks and the steps under each word to logits (clip, class)."""
        text, mask = encoded[WORDS].steps()
        words = {m: text if m == WORDS else self._word_states(one) for m, one in encoded.items()}
        states = self.lstm(apply_mask(self.unit(words), mask), mask)
        return Output(self.classifier(self.attention(states, mask)))

    def _word_states(self, encoded: Encoded) -> Tensor:
        """State of a modality at each word, (clip, word, dim); zero where no step is under it."""
        if encoded.spans is None:
            raise TypeError("fusion 'word_gmu' needs the steps under each word of every modality but text")
        states = apply_mask(*encoded.steps())
        first, end = encoded.spans.unbind(dim=-1)
        if self.states == "mean":
            step = torch.arange(states.shape[1], device=states.device)
            under = ((step >= first[..., None]) & (step < end[..., None])).to(states.dtype)
            return under @ states / (end - first).clamp(min=1)[..., None]
        clip = torch.arange(len(states), device=states.device)[:, None]
        half, last = states.shape[2] // 2, states.shape[1] - 1
        forward, backward = (states[clip, place.clamp(0, last)] for place in (end - 1, first))
        return apply_mask(torch.cat([forward[..., :half], backward[..., half:]], dim=2), end > first)


build = WordGMU
