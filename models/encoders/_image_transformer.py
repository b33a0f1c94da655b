"""Image transformers of the transformers library, from the entries of a config.json: built, begun, read.

A model is taken as it is: whatever reads pictures as `pixel_values` and gives a `last_hidden_state`. What it has
beside (a pooler, a token that masks patches) has no part in the vector and never changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from affectstore.errors import ConfigError
from affectstore.models.encoders._channels import adapted
from affectstore.weights.hub import ModelName, find_model
from affectstore.weights.hub_load import load_model

Pooling = Literal["auto", "cls", "mean"]

_CLASS_TOKENS = ("cls_token", "class_embedding")
_COLOURS = 3


def configuration(architecture: Mapping[str, Any], channels: int) -> Any:
    """The library's configuration, all entries filled in.

    Args:
        architecture: entries of config.json, `model_type` among them.
        channels: that the first layer shall read.

    Raises:
        ConfigError: the library knows no such model, or an entry is impossible for it.
    """
    from transformers import AutoConfig

    entries = {**architecture, "num_channels": channels}
    kind = entries.pop("model_type", None)
    try:
        return AutoConfig.for_model(kind, **entries)
    except Exception as error:  # a configuration checks its entries in any way
        raise ConfigError(f"transformers knows no model of type {kind!r} with these sizes: {_first(error)}") from error


def width_of(config: Any) -> int:
    """Length of a token.

    Raises:
        ConfigError: the configuration does not say.
    """
    width = getattr(config, "hidden_size", None) or (getattr(config, "hidden_sizes", None) or [None])[-1]
    if not isinstance(width, int):
        raise ConfigError(f"a {config.model_type!r} model has no `hidden_size`, so it is none that gives a vector")
    return width


def picture_px(config: Any, size_px: int | None) -> tuple[int, int] | None:
    """Height and width that pictures are scaled to; None for a model that reads any."""
    size = size_px or getattr(config, "image_size", None)
    return (size, size) if isinstance(size, int) else tuple(size) if size else None


def drawn(config: Any) -> nn.Module:
    """The model of a configuration without pooler, its weights drawn from torch's generator.

    Raises:
        ConfigError: it reads no pictures.
    """
    from transformers import MODEL_MAPPING, AutoModel

    model: Any = MODEL_MAPPING.get(type(config), None)
    if getattr(model, "main_input_name", None) != "pixel_values":
        raise ConfigError(f"a {config.model_type!r} model reads no pictures alone")
    without = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(model).parameters else {}
    return AutoModel.from_config(config, **without)


def idle(network: nn.Module, shape: tuple[int, ...], pooling: Pooling, size_px: int | None) -> tuple[str, ...]:
    """Names of the weights that the vector of a picture does not follow from.

    A picture of zeros passes the network. Shapes alone (torch's device "meta") would not do: models keep indices of
    positions from one call to the next.

    Args:
        network: in evaluation.
        shape: of a picture: (channel, height, width).
        pooling, size_px: as of `vectors`.

    Raises:
        ConfigError: the model cannot read such pictures, or gives no such vector.
    """
    config: Any = network.config
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            vector = vectors(network, torch.zeros(1, *shape), pooling, size_px)
        except ConfigError:
            raise
        except Exception as error:  # a forward pass fails in any way
            pictures = "x".join(map(str, shape))
            raise ConfigError(
                f"a {config.model_type!r} model cannot read pictures of {pictures} as one vector: {_first(error)}"
            ) from error
    if tuple(vector.shape) != (1, width_of(config)):
        raise ConfigError(
            f"a {config.model_type!r} model of width {width_of(config)} gives {tuple(vector.shape)[1:]} a picture"
        )
    steps: list[Any] = [vector.grad_fn]
    seen, reached = set(), set()
    while steps:
        step = steps.pop()
        if step is not None and step not in seen:
            seen.add(step)
            reached.add(id(getattr(step, "variable", None)))  # where a gradient ends: the weights that it is for
            steps += [before for before, _ in step.next_functions]
    return tuple(name for name, parameter in network.named_parameters() if id(parameter) not in reached)


def begin(network: nn.Module, name: ModelName, channels: int, may_lack: tuple[str, ...]) -> None:
    """Give a model the weights of a published one; its first layer is adapted to the channels.

    Args:
        network: of the published model's configuration, but for the channels.
        name: id or folder.
        channels: that it reads.
        may_lack: names of weights that are not needed.

    Raises:
        ConfigError: the model is not here (the message says how to get it), or its weights are not of this network.
    """
    from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING as CLASSIFIERS

    # A classifier's weights are found with and without its prefix. Of several classes (DeiT) none is meant.
    kind: Any = type(network.config)
    classifies = kind in CLASSIFIERS and not isinstance(CLASSIFIERS[kind], tuple)
    auto = "AutoModelForImageClassification" if classifies else "AutoModel"
    model = load_model(auto, find_model(name), may_lack=("classifier.", "fc_norm.", "pooler.", *may_lack))
    theirs = getattr(model.config, "num_channels", _COLOURS)
    if theirs not in (_COLOURS, channels):
        raise ConfigError(f"{name.model} reads {theirs} channels, which cannot be made {channels}")
    own = (model.base_model if classifies else model).state_dict()
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    if lacking := sorted(set(shapes) - set(own)):
        raise ConfigError(f"{name.model} has no {lacking[0]}, which a {type(network).__name__} needs")
    network.load_state_dict(
        {key: own[key] if own[key].shape == shape else adapted(own[key], channels) for key, shape in shapes.items()}
    )


def vectors(network: nn.Module, pictures: Tensor, pooling: Pooling, size_px: int | None) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, feature).

    Args:
        network: an image transformer.
        pictures: scaled to the model's size, where it has one.
        pooling: "cls" the class token; "mean" over the patches; "auto" the first where there is one.
        size_px: takes the place of the model's size; its positions are interpolated.

    Raises:
        ConfigError: there is no class token to be taken, or not every patch is given.
    """
    from torch.nn import functional as F

    config: Any = network.config
    size = picture_px(config, size_px)
    if size is not None and pictures.shape[-2:] != size:
        pictures = F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
    further = {}
    if size != picture_px(config, None) and "interpolate_pos_encoding" in inspect.signature(network.forward).parameters:
        further["interpolate_pos_encoding"] = True
    return _pooled(network, network(pixel_values=pictures, **further).last_hidden_state, pooling, pictures.shape[-2:])


def _pooled(network: nn.Module, states: Tensor, pooling: Pooling, size: Sequence[int]) -> Tensor:
    """States (clip, token, feature) or (clip, feature, height, width) to vectors (clip, feature)."""
    config: Any = network.config
    first = states.dim() == 3 and any(name.endswith(_CLASS_TOKENS) for name, _ in network.named_parameters())
    if not first:
        if pooling == "cls":
            raise ConfigError(f"a {config.model_type!r} model has no class token; take `pooling: mean`")
        return states.mean(dim=(2, 3) if states.dim() == 4 else 1)
    patch = config.patch_size
    height, width = (patch, patch) if isinstance(patch, int) else patch
    before = states.shape[1] - (size[0] // height) * (size[1] // width)  # the class token, and what else is no patch
    if before < 1:
        raise ConfigError(f"a {config.model_type!r} model hides patches, so a picture has no one vector")
    return states[:, before:].mean(dim=1) if pooling == "mean" else states[:, 0]


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
