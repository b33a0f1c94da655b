"""Number of parameters of every encoder with a linear layer to the classes: the published figures, and our own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from affectstore.models.spec import ENCODERS, ClipShape, ImageShape, SequenceShape, Shape


def image(channels: int, height_px: int = 224, width_px: int = 224) -> ImageShape:
    return ImageShape(channels=channels, height_px=height_px, width_px=width_px)


def clip(channels: int, frames: int, height_px: int = 224, width_px: int = 224) -> ClipShape:
    return ClipShape(channels=channels, height_px=height_px, width_px=width_px, frames=frames)


def steps(dim: int) -> SequenceShape:
    return SequenceShape(dim=dim)


#: Encoder, options, input, classes, parameters. No classes: the encoder alone, as document 003 counts its BLSTM.
TABLE: list[tuple[str, dict[str, Any], Shape, int, int]] = [
    ("audio_cnn", {}, steps(40), 0, 53_952),
    ("audio_cnn", {"over": "coefficients"}, steps(40), 0, 41_472),
    ("audio_lstm", {}, steps(40), 0, 219_136),
    ("auxformer", {}, steps(130), 0, 1_022_710),
    ("auxformer", {}, steps(4096), 0, 1_555_190),
    ("auxformer", {"passes": 3}, steps(130), 0, 1_022_710),
    ("blstm", {}, steps(65), 0, 594_944),
    ("blstm", {}, steps(768), 0, 1_314_816),
    ("blstm", {"pooling": "last"}, steps(65), 0, 594_944),
    ("blstm", {"pooling": "attention"}, steps(65), 0, 594_944 + 256 * 64 + 64 + 64),
    ("mlp", {}, steps(6373), 0, 848_896),
    ("mlp", {"pooling": "mean_std"}, steps(65), 0, 49_792),
    ("transformer", {}, steps(65), 0, 801_792),
    ("transformer", {"pooling": "attention", "norm": "after"}, steps(65), 0, 801_792 - 256 + 128 * 64 + 64 + 64),
    ("conv3d", {}, clip(1, 90, 100, 200), 3, 308_051),
    ("conv3d", {}, clip(3, 135), 6, 445_190),
    ("googlenet", {}, image(3), 6, 11_985_910),
    ("googlenet", {}, image(6), 6, 11_995_318),
    ("googlenet", {"auxiliary": False}, image(3), 6, 5_605_926),
    ("googlenet", {"auxiliary": False, "first": "published"}, image(3), 1000, 6_624_904),
    ("i3d", {}, clip(3, 135), 6, 12_293_414),
    ("i3d", {}, clip(3, 16, 112, 112), 400, 12_697_264),
    ("i3d", {"head": "mlp"}, clip(3, 135), 6, 20_679_462),
    ("image_cnn", {}, image(3, 224, 448), 8, 114_408),
    ("pt_vit", {}, image(3), 6, 85_803_270),
    ("pt_vit", {}, image(3, 448, 224), 1000, 86_567_656),
    ("resnet18", {}, image(1), 6, 11_173_318),
    ("resnet18", {}, image(2), 6, 11_176_454),
    ("simple3d", {}, clip(3, 135), 6, 3_262),
    ("simple3d", {}, clip(3, 135, 224, 448), 6, 4_414),
    ("vgg16", {}, image(3), 6, 134_292_742),
    ("vgg16", {}, image(6), 6, 134_302_150),
    ("vgg16", {"first": "3x3"}, image(3), 1000, 138_357_544),
    ("videomae", {}, clip(3, 2, 64, 32), 400, 86_534_800),
    ("videomae", {}, clip(3, 2, 32, 32), 6, 86_231_814),
    ("videomae", {"stem": "cnn3d"}, clip(3, 2, 32, 32), 6, 86_234_425),
    ("vit", {}, image(1), 6, 23_976_198),
    ("vit", {"blocks": 8, "heads": 8, "dropout": 0.2}, image(1), 6, 31_850_246),
    ("vit", {}, image(1, 224, 448), 6, 24_126_726),
    ("vit", {}, image(2), 6, 24_172_806),
]


@pytest.mark.parametrize(
    ("name", "options", "shape", "classes", "parameters"), TABLE, ids=[f"{row[0]}-{row[-1]}" for row in TABLE]
)
def test_parameters_as_published(
    name: str, options: dict[str, Any], shape: Shape, classes: int, parameters: int
) -> None:
    declared = ENCODERS.load(name)
    with torch.device("meta"):
        encoder = declared.build(shape, declared.Options(**options))
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count + (encoder.output_dim + 1) * classes == parameters


def test_every_encoder_is_in_the_table() -> None:
    assert {row[0] for row in TABLE} == set(ENCODERS.names())
