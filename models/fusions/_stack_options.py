"""Options of fusions that are made of transformer layers."""

from __future__ import annotations

from pydantic import Field, model_validator

from affectstore.config.base import Settings


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

    @model_validator(mode="after")
    def _fits(self) -> StackOptions:
        if self.width % self.heads:
            raise ValueError(f"`heads` ({self.heads}) must divide `width` ({self.width})")
        if self.kernel % 2 == 0:
            raise ValueError(f"`kernel` ({self.kernel}) must be odd, so that a sequence keeps its steps")
        return self


class MainOptions(StackOptions):
    """Options of the main network of AuxFormer, as published."""

    width: int = Field(default=130, ge=1, description="Features of each step inside the fusion.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `width`.")
    layers: int = Field(default=5, ge=1, description="Layers of each transformer.")
    head_dropout: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the classifiers' hidden units dropped in training."
    )
