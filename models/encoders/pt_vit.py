"""PT ViT: an image transformer of the transformers library, which starts from published weights.

`weights` names a model by its id on the Hugging Face hub, or a folder: any that reads pictures and gives the states of
its last layer (ViT, DeiT, BEiT, DINOv2, Swin, ...). Its sizes are those of its config.json; a size that is set too must
agree, but for `size_px`, to which positions are interpolated. The shared-encoder study on CREMA-D (seed 001) used
google/vit-base-patch16-224-in21k, whose sizes are those of `random`: about 85.8 million parameters, newly drawn.
Another network is drawn anew where `architecture` holds what a config.json would.

The vector is what became of the class token, after the last normalisation; of a model without one (Swin), or with
`pooling: mean`, the mean of the patches. Pictures of another size, and joined ones (448x224), are scaled to the
model's, as in the study. The first layer reads any number of channels: from published weights it is adapted where there
are not three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from affectstore.config.base import Settings
from affectstore.errors import ConfigError
from affectstore.models.base import EncoderSpec, Given

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="published image transformer on one picture", takes="image", gives="vector")

#: Our options, what a config.json calls them, and what they are of the newly drawn ViT.
_SIZES = {
    "size_px": ("image_size", 224),
    "patch_px": ("patch_size", 16),
    "dim": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "mlp": ("intermediate_size", 3072),
}
#: Entries of a config.json that say nothing of the network: labels, and where the file comes from.
_BESIDE = ("architectures", "auto_map", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version")
#: One of these is in the configuration of every model that reads pictures.
_OF_PICTURES = {"image_size", "num_channels", "patch_size"}


class Options(Settings):
    """Options of the published image transformer."""

    weights: str = Field(
        default="random",
        min_length=1,
        description="What training starts from: `random`, or the id or folder of an image transformer, such as "
        "google/vit-base-patch16-224-in21k.",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of an id; none for its main branch.")
    architecture: dict[str, Any] | None = Field(
        default=None,
        description="What the config.json of the model says (`{model_type: swin, ...}`); none: that of `weights`, or "
        "of ViT where they are `random`.",
    )
    pooling: Literal["auto", "cls", "mean"] = Field(
        default="auto",
        description="The vector: `cls` the class token, `mean` over the patches; `auto`: the first where there is one.",
    )
    size_px: int | None = Field(
        default=None, ge=1, description="Height and width of the model's pictures, in pixels; none: its own, ViT's 224."
    )
    patch_px: int | None = Field(default=None, ge=1, description="Side of each patch, in pixels; none: its own, 16.")
    dim: int | None = Field(
        default=None, ge=1, description="Length of each token, and of the vector; none: its own, 768."
    )
    layers: int | None = Field(default=None, ge=1, description="Transformer layers; none: its own, 12.")
    heads: int | None = Field(
        default=None, ge=1, description="Attention heads; they divide `dim`; none: the model's own, 12."
    )
    mlp: int | None = Field(
        default=None, ge=1, description="Hidden units of each layer's perceptron; none: its own, 3072."
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> Options:
        sizes = _drawn_sizes(self) if _is_plain(self) else {option: getattr(self, option) for option in _SIZES}
        dim, heads, size_px, patch_px = (sizes[option] for option in ("dim", "heads", "size_px", "patch_px"))
        if dim and heads and dim % heads:
            raise ValueError(f"`heads` ({heads}) must divide `dim` ({dim})")
        if size_px and patch_px and size_px < patch_px:
            raise ValueError(f"`size_px` ({size_px}) must hold a patch (`patch_px`, {patch_px})")
        return self


def _is_plain(options: Options) -> bool:
    """Whether it is the newly drawn ViT of the options' sizes."""
    return options.weights == "random" and options.architecture is None


def _drawn_sizes(options: Options) -> dict[str, int]:
    return {option: getattr(options, option) or size for option, (_, size) in _SIZES.items()}


def settled(options: Options) -> Options:
    """The options with the sizes written in that they leave to the model.

    Raises:
        ConfigError: the published model is not here.
    """
    if _is_plain(options):
        return options.model_copy(update=_drawn_sizes(options))
    return options.model_copy(update={"architecture": _architecture(options)})


def _architecture(options: Options) -> dict[str, Any]:
    """What the config.json of the model says of its network.

    Raises:
        ConfigError: the published model is not here.
    """
    if _is_plain(options):
        sizes = _drawn_sizes(options)
        return {"model_type": "vit", **{entry: sizes[option] for option, (entry, _) in _SIZES.items()}}
    if options.weights == "random":
        return options.architecture or {}
    return _published(options)


def _published(options: Options) -> dict[str, Any]:
    """What the config.json of the published model says of its network.

    Raises:
        ConfigError: the model is not here.
    """
    from affectstore.weights.hub import ModelName, find_model

    entries = find_model(ModelName(options.weights, options.revision), weights=False).config()
    return {name: value for name, value in entries.items() if name not in _BESIDE and not name.startswith("_")}


def _contradiction(options: Options, entries: Mapping[str, Any], whole: bool) -> str:
    """Why sizes that are set are not the model's, or ''.

    Args:
        options: what is set.
        entries: of the model's configuration.
        whole: whether what is not among the entries is not there, rather than at its default.
    """
    if _is_plain(options):
        return ""
    for option, (entry, _) in _SIZES.items():
        asked, own = getattr(options, option), entries.get(entry)
        if option == "size_px" or asked in (None, own) or (entry not in entries and not whole):
            continue
        has = f"has {own}" if entry in entries else f"has no {entry}"
        return f"`{option}: {asked}` of encoder 'pt_vit' is not that of {_name(options)}, which {has}; leave it out"
    return ""


def _name(options: Options) -> str:
    return "its `architecture`" if options.weights == "random" else options.weights


def check(_given: Given, options: Options) -> str:
    """Why its sizes are not the model's, or why the model reads no pictures; '' also where the model is not here."""
    if _is_plain(options):
        return ""
    if options.weights == "random":
        if "model_type" in (options.architecture or {}):
            return _contradiction(options, _architecture(options), whole=False)
        return (
            "`architecture` of encoder 'pt_vit' has no `model_type`, such as `vit`, `deit`, `beit`, `dinov2` or `swin`"
        )
    try:
        entries = _published(options)
    except ConfigError:  # told with the digest of the weights, of the cells that need them
        return ""
    if "model_type" in entries and not _OF_PICTURES & set(entries):
        return f"encoder 'pt_vit': {options.weights} is a {entries['model_type']!r} model, which reads no pictures"
    if options.architecture not in (None, entries):
        return f"encoder 'pt_vit': `architecture` is not that of {options.weights}; leave it out"
    return _contradiction(options, entries, whole=False)


def features(given: Given, options: Options) -> int:
    """Length of the vector: that of a token.

    Raises:
        ConfigError: the published model is not here, or none that gives a vector.
    """
    from affectstore.models.encoders._image_transformer import configuration, width_of

    return width_of(configuration(_architecture(options), given.channels))


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: the published model is not here, has other sizes than the options say, or reads no such pictures.
    """
    from torch import nn

    from affectstore.models.encoders import _image_transformer as transformer
    from affectstore.weights.hub import ModelName

    config = transformer.configuration(_architecture(options), given.channels)
    if reason := _contradiction(options, config.to_dict(), whole=True):
        raise ConfigError(reason)
    network = transformer.drawn(config)
    if not _is_plain(options):
        idle = transformer.idle(network.eval(), given.shape, options.pooling, options.size_px)
        if options.weights != "random":
            transformer.begin(network, ModelName(options.weights, options.revision), given.channels, idle)
        for name in idle:
            network.get_parameter(name).requires_grad_(False)
        network.train()
    return nn.ModuleDict({"vit": network})


def encode(weights: nn.ModuleDict, values: Tensor, _mask: Tensor, options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, dim)."""
    from affectstore.models.encoders._image_transformer import vectors

    return vectors(weights["vit"], values, options.pooling, options.size_px)


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
