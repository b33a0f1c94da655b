"""PT ViT: the vision transformer of the transformers library, which starts from published weights.

`weights` names a model by its id on the Hugging Face hub, or a folder; the shared-encoder study on
CREMA-D (seed 001) used google/vit-base-patch16-224-in21k, whose sizes are the defaults: about 85.8
million parameters. A model of other sizes needs them as options; a message says which. `random` draws
the same network anew. The vector is what became of the class token, after the last normalisation.

Pictures of another size, and joined ones (448x224), are scaled to the model's, as in the study. The
first layer reads any number of channels: from published weights it is adapted where there are not three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="published vision transformer on one picture", takes="image", gives="vector")

#: Our options, and what the model's configuration calls them.
_SIZES = {
    "size_px": "image_size",
    "patch_px": "patch_size",
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "mlp": "intermediate_size",
}
_FIXED = ("hidden_act", "layer_norm_eps", "qkv_bias")
_FIRST = "vit.embeddings.patch_embeddings.projection.weight"


class Options(Settings):
    """Options of the published vision transformer."""

    weights: str = Field(
        default="random",
        min_length=1,
        description="What training starts from: `random`, or the id or folder of a ViT model, such as "
        "google/vit-base-patch16-224-in21k.",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of an id; none for its main branch.")
    size_px: int = Field(default=224, ge=1, description="Height and width of the model's pictures, in pixels.")
    patch_px: int = Field(default=16, ge=1, description="Side of each patch, in pixels.")
    dim: int = Field(default=768, ge=1, description="Length of each token, and of the vector.")
    layers: int = Field(default=12, ge=1, description="Transformer layers.")
    heads: int = Field(default=12, ge=1, description="Attention heads; they divide `dim`.")
    mlp: int = Field(default=3072, ge=1, description="Hidden units of each layer's perceptron.")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Options:
        if self.dim % self.heads:
            raise ValueError(f"`heads` ({self.heads}) must divide `dim` ({self.dim})")
        if self.size_px < self.patch_px:
            raise ValueError(f"`size_px` ({self.size_px}) must hold a patch (`patch_px`, {self.patch_px})")
        return self


def features(_given: Given, options: Options) -> int:
    """Length of the vector: that of a token."""
    return options.dim


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: the published model is not here, or has other sizes than the options say.
    """
    from transformers import ViTConfig, ViTForImageClassification

    from affectstore.models.encoders._transformers import published_state
    from affectstore.weights.hub import ModelName

    sizes: dict[str, Any] = {entry: getattr(options, option) for option, entry in _SIZES.items()}
    sizes |= {"num_channels": given.channels, "num_labels": 0}  # no labels: no classifier
    network = ViTForImageClassification(ViTConfig(**sizes))
    if options.weights != "random":
        name = ModelName(options.weights, options.revision)
        state = published_state("AutoModelForImageClassification", name, network, _SIZES, _FIXED, _FIRST)
        network.load_state_dict(state)
    return network


def encode(weights: nn.Module, values: Tensor, _mask: Tensor, options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, dim)."""
    from torch.nn import functional as F

    size = (options.size_px, options.size_px)
    if values.shape[-2:] != size:
        values = F.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
    return weights(pixel_values=values).logits


def origin(options: Options) -> str:
    """What the weights started as."""
    from affectstore.models.encoders._named import origin_of

    return origin_of(options.weights, options.revision)
