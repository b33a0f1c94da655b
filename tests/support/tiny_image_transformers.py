"""Tiny image transformers of several kinds, as the hub has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from affectstore.models.encoders.pt_vit import Options, PTViT
from affectstore.models.spec import ImageShape

FLAT = {"image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
MLP = {"intermediate_size": 20}
#: Type -> entries of the configuration, length of a token, and number of tokens before the patches.
KINDS: dict[str, tuple[dict[str, Any], int, int]] = {
    "vit": ({**FLAT, **MLP}, 24, 1),
    "deit": ({**FLAT, **MLP}, 24, 2),
    "beit": ({**FLAT, **MLP, "use_relative_position_bias": True, "layer_scale_init_value": 0.1}, 24, 1),
    "dinov2": (FLAT, 24, 1),
    "dinov2_with_registers": ({**FLAT, "num_register_tokens": 3}, 24, 4),
    "swin": (
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2},
        16,
        0,
    ),
}
MASK = torch.ones(3, 1, dtype=torch.bool)


def model(kind: str, auto: str = "AutoModel") -> Any:
    """A model with weights that matter: images and their parts have different vectors."""
    import transformers

    config = transformers.AutoConfig.for_model(kind, **KINDS[kind][0], initializer_range=0.3)
    torch.manual_seed(3)
    config.architectures = ["DeiTForImageClassification"]  # of DeiT's two classifiers the plain one
    made = getattr(transformers, auto).from_config(config).eval()
    for name, parameter in made.named_parameters():
        if "cls_token" in name or "position" in name:
            torch.nn.init.normal_(parameter)
    return made


def image(channels: int, size_px: int = 32) -> ImageShape:
    return ImageShape(channels=channels, height_px=size_px, width_px=size_px)


def images(channels: int = 3, size_px: int = 32) -> Tensor:
    return torch.randn(3, channels, size_px, size_px, generator=torch.Generator().manual_seed(1))


def vector(shape: ImageShape, values: Tensor, **options: Any) -> Tensor:
    with torch.no_grad():
        encoded = PTViT(shape, Options(**options)).eval()(values, MASK)
    vector: Tensor = encoded.vector
    return vector


def cell(**options: Any) -> dict[str, Any]:
    return {"modalities": ["vision"], "encoder": "pt_vit", "encoder_options": options}
