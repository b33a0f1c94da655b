"""VideoMAE (Tong et al. 2022): a vision transformer on a whole clip, of the transformers library.

Patches span 2 frames and 16x16 pixels; every token attends to every other, so memory grows with the
square of frames x height x width. The vector is the mean over all tokens, normalised, and dropped out
in training. The defaults are the base model of the shared-encoder study on CREMA-D (seed 001), which
starts from MCG-NJU/videomae-base-finetuned-kinetics on 32 evenly spread frames (`pictures.frames`); its
positions are fixed sines, so 16 or 32 frames and any picture fit the same weights, also joined ones:
frames of 208 rows over spectrograms of 16, or two whole pictures side by side. Frames and pictures that
are no multiple of a patch are continued by zeros.

`stem: cnn3d` puts two 3D convolutions before the transformer, the study's next step against redundant
pixels and the cost of attention: 16 channels, kernel 3, half the height and width, ReLU; then 3 channels,
kernel 3 (its sizes are not stated there). The transformer then reads a quarter of the tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given
from affectstore.models.layers.heads import heads_divide

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="vision transformer on a whole clip", takes="clip", gives="vector")

#: Our options, and what the model's configuration calls them.
_SIZES = {
    "patch_px": "patch_size",
    "patch_frames": "tubelet_size",
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "mlp": "intermediate_size",
}
_FIXED = ("hidden_act", "layer_norm_eps", "qv_bias", "use_mean_pooling")
_FIRST = "videomae.embeddings.patch_embeddings.projection.weight"
_STEM_WIDTH = 16
_COLOURS = 3


class Options(Settings):
    """Options of VideoMAE."""

    weights: str = Field(
        default="random",
        min_length=1,
        description="What training starts from: `random`, or the id or folder of a VideoMAE model, such as "
        "MCG-NJU/videomae-base-finetuned-kinetics.",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of an id; none for its main branch.")
    stem: Literal["none", "cnn3d"] = Field(
        default="none",
        description="What stands before the transformer: nothing, or a small 3D network that halves height and width.",
    )
    patch_px: int = Field(default=16, ge=1, description="Side of each patch, in pixels.")
    patch_frames: int = Field(default=2, ge=1, description="Frames of each patch.")
    dim: int = Field(default=768, ge=1, description="Length of each token, and of the vector.")
    layers: int = Field(default=12, ge=1, description="Transformer layers.")
    heads: int = Field(default=12, ge=1, description="Attention heads; they divide `dim`.")
    mlp: int = Field(default=3072, ge=1, description="Hidden units of each layer's perceptron.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Share of the vector dropped in training.")

    _heads_divide = heads_divide("dim")


def features(_given: Given, options: Options) -> int:
    """Length of the vector: that of a token."""
    return options.dim


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: the published model is not here, or has other sizes than the options say.
    """
    from torch import nn
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    from affectstore.models.encoders._transformers import published_state
    from affectstore.weights.hub import ModelName

    parts: dict[str, nn.Module] = {"dropout": nn.Dropout(options.dropout)}
    channels, shape = given.channels, given.shape[1:]
    if options.stem == "cnn3d":
        parts["stem"] = nn.Sequential(
            nn.Conv3d(channels, _STEM_WIDTH, 3, stride=(1, 2, 2), padding=1),
            nn.ReLU(),
            nn.Conv3d(_STEM_WIDTH, _COLOURS, 3, padding=1),
        )
        channels, shape = _COLOURS, (shape[0], -(-shape[1] // 2), -(-shape[2] // 2))
    frames, height_px, width_px = (length + lack for length, lack in zip(shape, _lacking(shape, options), strict=True))
    sizes: dict[str, Any] = {entry: getattr(options, option) for option, entry in _SIZES.items()}
    sizes |= {"num_channels": channels, "num_frames": frames, "image_size": (height_px, width_px)}
    sizes |= {"num_labels": 0}  # no labels: no classifier
    network = VideoMAEForVideoClassification(VideoMAEConfig(**sizes))
    if options.weights != "random":
        name = ModelName(options.weights, options.revision)
        state = published_state("AutoModelForVideoClassification", name, network, _SIZES, _FIXED, _FIRST)
        network.load_state_dict(state)
    return nn.ModuleDict({**parts, "network": network})


def encode(weights: nn.ModuleDict, values: Tensor, _mask: Tensor, options: Options) -> Tensor:
    """Clips (clip, channel, frame, height, width) to vectors (clip, dim)."""
    from torch.nn import functional as F

    if options.stem == "cnn3d":
        values = weights["stem"](values)
    frames, height_px, width_px = _lacking(values.shape[2:], options)
    values = F.pad(values, (0, width_px, 0, height_px, 0, frames))
    return weights["dropout"](weights["network"](pixel_values=values.transpose(1, 2)).logits)


def origin(options: Options) -> str:
    """What the weights started as."""
    from affectstore.models.encoders._named import origin_of

    return origin_of(options.weights, options.revision)


def weights_digest(options: Options) -> str | None:
    """Digest of the published model's configuration and weights; None where weights are newly drawn.

    Raises:
        ConfigError: the model is not here, or is not whole.
    """
    from affectstore.models.encoders._named import model_digest

    return model_digest(options.weights, options.revision)


def _lacking(shape: tuple[int, ...], options: Options) -> tuple[int, int, int]:
    """What frames, height and width lack to a multiple of a patch."""
    frames, height_px, width_px = shape
    return -frames % options.patch_frames, -height_px % options.patch_px, -width_px % options.patch_px
