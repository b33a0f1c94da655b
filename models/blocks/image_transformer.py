"""Image transformers of the transformers library, built from the entries of a config.json.

Any model is accepted that reads images as `pixel_values` and outputs a `last_hidden_state`. Its further parameters (a
pooler, a mask token) do not change the vector and are never trained.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING as CLASSIFIERS
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from affectstore.errors import ConfigError
from affectstore.models.blocks.convolution import adapt_kernel
from affectstore.weights.hub import ModelName, find_model
from affectstore.weights.hub_load import load_model

ImagePooling = Literal["auto", "cls", "mean"]

_CLASS_TOKENS = ("cls_token", "class_embedding")
_RGB = 3


def build_config(entries: Mapping[str, Any], channels: int) -> PreTrainedConfig:
    """Build a configuration; entries that are left out get the library's defaults.

    Args:
        entries: Entries of a config.json, among them `model_type`.
        channels: Channels of the images.

    Raises:
        ConfigError: The library knows no such model, or an entry is impossible for it.
    """
    others = {**entries, "num_channels": channels}
    model_type = others.pop("model_type", None)
    try:
        return AutoConfig.for_model(model_type, **others)
    except Exception as error:  # configurations check their entries in any way
        message = f"transformers knows no model of type {model_type!r} with these sizes: {_first_line(error)}"
        raise ConfigError(message) from error


def hidden_size(config: PreTrainedConfig) -> int:
    """Dimension of a token after the last layer.

    Raises:
        ConfigError: The configuration does not state it.
    """
    size = getattr(config, "hidden_size", None) or (getattr(config, "hidden_sizes", None) or [None])[-1]
    if not isinstance(size, int):
        raise ConfigError(f"a {config.model_type!r} model has no `hidden_size`, so it outputs no vector")
    return size


def image_size(config: PreTrainedConfig, size_px: int | None) -> tuple[int, int] | None:
    """Height and width that images are scaled to; None for a model that reads any."""
    size = size_px or getattr(config, "image_size", None)
    if isinstance(size, int):
        return size, size
    return (size[0], size[1]) if size else None


def build_model(config: PreTrainedConfig) -> PreTrainedModel:
    """Build a newly initialised model without pooler.

    Raises:
        ConfigError: It does not read images.
    """
    model: Any = MODEL_MAPPING.get(type(config), None)
    if getattr(model, "main_input_name", None) != "pixel_values":
        raise ConfigError(f"a {config.model_type!r} model does not read images alone")
    parameters = inspect.signature(model).parameters
    built: PreTrainedModel = AutoModel.from_config(
        config, **({"add_pooling_layer": False} if "add_pooling_layer" in parameters else {})
    )
    return built


def find_unused_parameters(
    network: PreTrainedModel, shape: tuple[int, ...], pooling: ImagePooling, size_px: int | None
) -> tuple[str, ...]:
    """Find the parameters that do not change the vector of an image, by a forward pass of zeros.

    Shapes alone (torch's device "meta") would not do: models keep indices of positions from one call to the next.

    Args:
        network: In evaluation mode.
        shape: Of an image: (channel, height, width).
        pooling: See `encode_images`.
        size_px: See `encode_images`.

    Returns:
        Their names.

    Raises:
        ConfigError: The model cannot read such images, or outputs no such vector.
    """
    model_type = network.config.model_type
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            vector = encode_images(network, torch.zeros(1, *shape), pooling, size_px)
        except ConfigError:
            raise
        except Exception as error:  # forward passes fail in any way
            images = "x".join(map(str, shape))
            raise ConfigError(
                f"a {model_type!r} model cannot read images of {images} as one vector: {_first_line(error)}"
            ) from error
    if tuple(vector.shape) != (1, hidden_size(network.config)):
        raise ConfigError(
            f"a {model_type!r} model with `hidden_size` {hidden_size(network.config)} outputs "
            f"{tuple(vector.shape)[1:]} per image"
        )
    pending: list[Any] = [vector.grad_fn]
    seen, reached = set(), set()
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            reached.add(id(getattr(node, "variable", None)))  # a leaf holds the parameter that its gradient is for
            pending += [earlier for earlier, _ in node.next_functions]
    return tuple(name for name, parameter in network.named_parameters() if id(parameter) not in reached)


def load_pretrained(network: PreTrainedModel, name: ModelName, channels: int, may_lack: tuple[str, ...]) -> None:
    """Load the weights of a published model; its first layer is adapted to the channels.

    Args:
        network: Built from the published model's configuration, but for the channels.
        name: Id or folder.
        channels: Channels of the images.
        may_lack: Names of parameters that are not needed.

    Raises:
        ConfigError: The model is missing (the message says how to get it), or its weights do not fit this network.
    """
    # The parameters of a classifier are found with and without its prefix. Of several classes (DeiT) none is known.
    config_class: Any = type(network.config)
    classifies = config_class in CLASSIFIERS and not isinstance(CLASSIFIERS[config_class], tuple)
    auto = "AutoModelForImageClassification" if classifies else "AutoModel"
    model = load_model(auto, find_model(name), may_lack=("classifier.", "fc_norm.", "pooler.", *may_lack))
    theirs = getattr(model.config, "num_channels", _RGB)
    if theirs not in (_RGB, channels):
        raise ConfigError(f"{name.model} reads {theirs} channels, which cannot be adapted to {channels}")
    own = (model.base_model if classifies else model).state_dict()
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    if lacking := sorted(set(shapes) - set(own)):
        raise ConfigError(f"{name.model} has no {lacking[0]}, which a {type(network).__name__} needs")
    network.load_state_dict(
        {
            key: own[key] if own[key].shape == shape else adapt_kernel(own[key], channels)
            for key, shape in shapes.items()
        }
    )


def encode_images(network: PreTrainedModel, images: Tensor, pooling: ImagePooling, size_px: int | None) -> Tensor:
    """Encode images (clip, channel, height, width) as vectors (clip, dim).

    Args:
        network: An image transformer.
        images: Scaled to the model's size, where it has one.
        pooling: "cls" the class token; "mean" over the patches; "auto" the class token where there is one.
        size_px: Replaces the model's size; its positions are interpolated.

    Raises:
        ConfigError: There is no class token to pool, or the model does not output every patch.
    """
    size = image_size(network.config, size_px)
    if size is not None and images.shape[-2:] != size:
        images = F.interpolate(images, size=size, mode="bilinear", antialias=True, align_corners=False)
    interpolate: dict[str, Any] = {}
    parameters = inspect.signature(network.forward).parameters
    if size != image_size(network.config, None) and "interpolate_pos_encoding" in parameters:
        interpolate["interpolate_pos_encoding"] = True
    states = network(pixel_values=images, **interpolate).last_hidden_state
    has_class_token = states.dim() == 3 and any(name.endswith(_CLASS_TOKENS) for name, _ in network.named_parameters())
    return _pool(states, network.config, pooling, images.shape, has_class_token)


def _pool(states: Tensor, config: Any, pooling: ImagePooling, image_shape: torch.Size, has_class_token: bool) -> Tensor:
    """Pool states (clip, token, dim) or (clip, dim, height, width) to vectors (clip, dim)."""
    if not has_class_token:
        if pooling == "cls":
            raise ConfigError(f"a {config.model_type!r} model has no class token; use `pooling: mean`")
        return states.mean(dim=(2, 3) if states.dim() == 4 else 1)
    patch = config.patch_size
    height_px, width_px = (patch, patch) if isinstance(patch, int) else patch
    num_patches = (image_shape[-2] // height_px) * (image_shape[-1] // width_px)
    first = states.shape[1] - num_patches  # the class token precedes the patches, and others may
    if first < 1:
        raise ConfigError(f"a {config.model_type!r} model hides patches, so it outputs no vector of a whole image")
    return states[:, first:].mean(dim=1) if pooling == "mean" else states[:, 0]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
