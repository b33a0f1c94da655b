"""PT ViT: an image transformer of the transformers library, which starts from published weights.

`weights` names a model by its id on the Hugging Face hub, or a folder: any that reads images and outputs the states of
its last layer (ViT, DeiT, BEiT, DINOv2, Swin, ...). Its sizes are those of its config.json; a size that is also set as
an option must agree, except `size_px`, to which positions are interpolated. The shared-encoder study on CREMA-D
(document 001) used google/vit-base-patch16-224-in21k, whose sizes are those of `random`: about 85.8 million parameters,
newly initialised. `architecture` holds the entries of a config.json for another newly initialised network.

The vector is the class token after the last normalisation; of a model without one (Swin), or with `pooling: mean`, the
mean over the patches. Images of another size, and joined ones (448x224), are scaled to that of the model, as in the
study. The first layer reads any number of channels: published weights are adapted to other numbers than three.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from affectstore.errors import ConfigError
from affectstore.models.blocks import image_transformer
from affectstore.models.blocks.pretrained import HubOptions
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderSpec, ImageShape, Shape
from affectstore.weights.hub import find_model

SPEC = EncoderSpec(
    version=1,
    summary="published image transformer on one image",
    input_kind="image",
    output_kind="vector",
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale "
    "(equations 1 to 4)",
)

#: Option -> its name in a config.json, and its value in the newly initialised ViT.
_SIZES = {
    "size_px": ("image_size", 224),
    "patch_px": ("patch_size", 16),
    "dim": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "ffn_dim": ("intermediate_size", 3072),
}
#: Entries of a config.json that do not describe the network: labels, and the origin of the file.
_NO_ARCHITECTURE = ("architectures", "auto_map", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version")
#: Every model that reads images has one of these entries.
_IMAGE_ENTRIES = {"image_size", "num_channels", "patch_size"}


class Options(HubOptions):
    """Options of the published image transformer."""

    renamed: ClassVar[Mapping[str, str]] = {"mlp": "ffn_dim"}

    weights: str = Field(
        default="random",
        min_length=1,
        description="Weights that training starts from: `random`, or the id or folder of an image transformer, such as "
        "google/vit-base-patch16-224-in21k.",
    )
    architecture: dict[str, Any] | None = Field(
        default=None,
        description="Entries of the model's config.json (`{model_type: swin, ...}`); none: those of `weights`, or of "
        "ViT where they are `random`.",
    )
    pooling: Literal["auto", "cls", "mean"] = Field(
        default="auto",
        description="The vector: `cls` the class token, `mean` over the patches; `auto` the class token where there is "
        "one.",
    )
    size_px: int | None = Field(
        default=None, ge=1, description="Height and width of the model's images, in pixels; none: its own, ViT's 224."
    )
    patch_px: int | None = Field(default=None, ge=1, description="Side of each patch, in pixels; none: its own, 16.")
    dim: int | None = Field(
        default=None, ge=1, description="Dimension of each token, and of the vector; none: its own, 768."
    )
    layers: int | None = Field(default=None, ge=1, description="Transformer layers; none: its own, 12.")
    heads: int | None = Field(
        default=None, ge=1, description="Attention heads; they divide `dim`; none: the model's own, 12."
    )
    ffn_dim: int | None = Field(
        default=None, ge=1, description="Hidden units of each layer's feed-forward network; none: its own, 3072."
    )

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        sizes = self._sizes()
        dim, heads, size_px, patch_px = (sizes[option] for option in ("dim", "heads", "size_px", "patch_px"))
        if dim and heads and dim % heads:
            raise ValueError(f"`heads` ({heads}) must divide `dim` ({dim})")
        if size_px and patch_px and size_px < patch_px:
            raise ValueError(f"`size_px` ({size_px}) must hold a patch (`patch_px`, {patch_px})")
        return self

    @property
    def is_new_vit(self) -> bool:
        """True for the newly initialised ViT, whose sizes are the options."""
        return not self.pretrained and self.architecture is None

    def _sizes(self) -> dict[str, int | None]:
        """Option -> size that is set; of the newly initialised ViT all are."""
        return {
            option: getattr(self, option) or (default if self.is_new_vit else None)
            for option, (_, default) in _SIZES.items()
        }

    def resolved(self) -> Self:
        """Options with the sizes filled in that they leave to the model.

        Raises:
            ConfigError: The published model is missing.
        """
        if self.is_new_vit:
            return self.model_copy(update=self._sizes())
        return self.model_copy(update={"architecture": self.model_entries()})

    def model_entries(self) -> dict[str, Any]:
        """Entries of the model's config.json that describe its network.

        Raises:
            ConfigError: The published model is missing.
        """
        if self.pretrained:
            entries = find_model(self.model_name, weights=False).config()
            return {k: value for k, value in entries.items() if k not in _NO_ARCHITECTURE and not k.startswith("_")}
        if self.architecture is not None:
            return self.architecture
        sizes = self._sizes()
        return {"model_type": "vit", **{entry: sizes[option] for option, (entry, _) in _SIZES.items()}}

    def problem(self, shape: Shape) -> str | None:
        """Reason why the sizes are not those of the model, or why it reads no images; or None."""
        if self.is_new_vit:
            return None
        try:
            entries = self.model_entries()
        except ConfigError:  # `pretrained_digest` reports a missing model
            return None
        if not self.pretrained and "model_type" not in entries:
            kinds = "`vit`, `deit`, `beit`, `dinov2` or `swin`"
            return f"`architecture` of encoder 'pt_vit' has no `model_type`, such as {kinds}"
        if self.pretrained and "model_type" in entries and not _IMAGE_ENTRIES & set(entries):
            return f"encoder 'pt_vit': {self.weights} is a {entries['model_type']!r} model, which reads no images"
        if self.pretrained and self.architecture not in (None, entries):
            return f"encoder 'pt_vit': `architecture` is not that of {self.weights}; leave it out"
        return self.size_problem(entries, complete=False)

    def size_problem(self, entries: Mapping[str, Any], *, complete: bool) -> str | None:
        """Reason why sizes that are set are not those of the model, or None.

        Args:
            entries: Of the model's configuration.
            complete: Entries that are left out do not exist, instead of having their defaults.
        """
        if self.is_new_vit:
            return None
        for option, (entry, _) in _SIZES.items():
            size, own = getattr(self, option), entries.get(entry)
            if option == "size_px" or size in (None, own) or (entry not in entries and not complete):
                continue
            has = f"has {own}" if entry in entries else f"has no {entry}"
            name = self.weights if self.pretrained else "its `architecture`"
            return f"`{option}: {size}` of encoder 'pt_vit' is not that of {name}, which {has}; leave it out"
        return None


class PTViT(Encoder):
    """Encode an image with an image transformer without its classifier (Dosovitskiy et al. 2021, equations 1 to 4).

    Raises:
        ConfigError: The published model is missing, its sizes are not those of the options, or it reads no such images.
    """

    def __init__(self, shape: ImageShape, options: Options) -> None:
        super().__init__()
        config = image_transformer.build_config(options.model_entries(), shape.channels)
        if reason := options.size_problem(config.to_dict(), complete=True):
            raise ConfigError(reason)
        self.vit = image_transformer.build_model(config)
        self.output_dim = image_transformer.hidden_size(config)
        self.pooling, self.size_px = options.pooling, options.size_px
        if not options.is_new_vit:
            unused = image_transformer.find_unused_parameters(self.vit.eval(), shape.size, self.pooling, self.size_px)
            if options.pretrained:
                image_transformer.load_pretrained(self.vit, options.model_name, shape.channels, unused)
            for name in unused:
                self.vit.get_parameter(name).requires_grad_(False)
            self.vit.train()

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Images (clip, channel, height, width) to vectors (clip, output_dim)."""
        return Encoded(image_transformer.encode_images(self.vit, values, self.pooling, self.size_px))


build = PTViT
