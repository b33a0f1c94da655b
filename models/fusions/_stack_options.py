"""Options of fusions that are made of transformer layers."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from affectstore.config.base import Settings
from affectstore.models.layers.heads import heads_divide

_TIMES_WIDER = 4  # the layers' hidden units, in widths of a step


class StackOptions(Settings):
    """Width, depth and dropout; every dropout is inactive outside training."""

    width: int = Field(default=64, ge=1, description="Features of each step inside the fusion.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `width`.")
    layers: int = Field(default=2, ge=1, description="Layers of each transformer.")
    kernel: int = Field(
        default=1, ge=1, description="Steps that a step is projected from: an odd number, itself in the middle."
    )
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of attention dropped in training; any takes twice the time."
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of values dropped in the layers in training.")
    input_dropout: float = Field(
        default=0.25, ge=0, lt=1, description="Share of values dropped before each transformer."
    )

    _heads_divide = heads_divide("width")

    @model_validator(mode="after")
    def _keeps_steps(self) -> StackOptions:
        if self.kernel % 2 == 0:
            raise ValueError(f"`kernel` ({self.kernel}) must be odd, so that a sequence keeps its steps")
        return self

    def block(self, width: int) -> dict[str, Any]:
        """Arguments of `affectstore.models.layers.block.Block` for steps of this width, normalised before a branch."""
        rates = self.model_dump(include={"heads", "dropout", "attention_dropout"})
        return {"width": width, "hidden": _TIMES_WIDER * width, "norm": "before", **rates}


class MainOptions(StackOptions):
    """Options of the main network of AuxFormer, as published."""

    width: int = Field(default=130, ge=1, description="Features of each step inside the fusion.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `width`.")
    layers: int = Field(default=5, ge=1, description="Layers of each transformer.")
    head_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the classifiers' hidden units dropped in training."
    )
