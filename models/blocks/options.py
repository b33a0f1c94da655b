"""Options that several encoders and fusions share; free of torch, so that they can be read where it is not
installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from affectstore.config.base import Settings
from affectstore.models.spec import FusionOptions

if TYPE_CHECKING:
    from affectstore.models.blocks.transformer import LayerSizes

#: Lengths of hidden layers, from the first to the last; none is a single linear layer.
HiddenDims = tuple[Annotated[int, Field(ge=1)], ...]

_FFN_TIMES = 4  # dimension of a feed-forward layer, relative to that of a step


def heads_divide(dim: str) -> Any:
    """Validator of options: `heads` divides the option of this name, so that all heads have the same dimension."""

    def check(options: Any) -> Any:
        size = getattr(options, dim)
        if size % options.heads:
            raise ValueError(f"`heads` ({options.heads}) must divide `{dim}` ({size})")
        return options

    return model_validator(mode="after")(check)


class TransformerOptions(Settings):
    """Sizes and dropouts of a fusion's transformer layers; every dropout is inactive outside training."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "dim"}

    dim: int = Field(default=64, ge=1, description="Dimension of each step inside the fusion.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `dim`.")
    layers: int = Field(default=2, ge=1, description="Layers of each transformer.")
    kernel: int = Field(default=1, ge=1, description="Kernel size of the projection of each sequence; odd.")
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout on the attention weights; any takes twice the time."
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout in the layers.")
    input_dropout: float = Field(default=0.25, ge=0, lt=1, description="Dropout before each transformer.")

    _heads_divide = heads_divide("dim")

    @model_validator(mode="after")
    def _keeps_steps(self) -> TransformerOptions:
        if self.kernel % 2 == 0:
            raise ValueError(f"`kernel` ({self.kernel}) must be odd, so that a sequence keeps its steps")
        return self

    def layer_sizes(self, dim: int) -> LayerSizes:
        """Arguments of a `TransformerLayer` for steps of this dimension, normalised before each branch."""
        return {
            "dim": dim,
            "heads": self.heads,
            "ffn_dim": _FFN_TIMES * dim,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "norm": "before",
        }


class CrossmodalNetworkOptions(TransformerOptions):
    """Options of AuxFormer's main network, with the published defaults."""

    dim: int = Field(default=130, ge=1, description="Dimension of each step inside the fusion.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `dim`.")
    layers: int = Field(default=5, ge=1, description="Layers of each transformer.")
    head_dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout in the classifiers' hidden layers.")


class CrossmodalOptions(TransformerOptions, FusionOptions):
    """Options of crossmodal transformers, with the defaults published for MulT."""

    dim: int = Field(default=50, ge=1, description="Dimension of each step inside the fusion.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `dim`.")
    layers: int = Field(default=4, ge=1, description="Layers of each crossmodal transformer.")
    memory_layers: int | None = Field(
        default=None,
        ge=1,
        description="Layers of the self-attention transformers behind them; none: as many as `layers`, at least 3.",
    )
    kernel: int = Field(default=5, ge=1, description="Kernel size of the projection of each sequence; odd.")
    attention_dropout: float = Field(
        default=0.3, ge=0, lt=1, description="Dropout on the attention weights; any takes twice the time."
    )


class MatchDimsOptions(FusionOptions):
    """Options of fusions that project all vectors to one dimension."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "dim", "hidden": "hidden_dims"}

    dim: int | None = Field(
        default=None,
        ge=1,
        description="Dimension that every vector is projected to; none: that of the shortest one. Vectors that have it "
        "already pass unchanged.",
    )
    hidden_dims: HiddenDims = Field(
        default=(128, 64), description="Hidden layers of the joint classifier, which has one layer more."
    )

    def target_dim(self, dims: Mapping[str, int]) -> int:
        """Dimension of every vector after `MatchDims`."""
        return self.dim if self.dim is not None else min(dims.values())


class ProbeOptions(MatchDimsOptions):
    """Options of fusions with a probe per modality."""

    renamed: ClassVar[Mapping[str, str]] = {**MatchDimsOptions.renamed, "probe_hidden": "probe_hidden_dims"}

    probe_hidden_dims: HiddenDims = Field(default=(64,), description="Hidden layers of each probe.")
    weight: float = Field(default=1.0, gt=0, description="Weight of each probe's loss beside the joint classifier's.")


Place = Literal["first", "last"]
