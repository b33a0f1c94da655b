"""Encoders of images and clips of images, with every size and number of channels."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from support.small_networks import small
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.blocks.convolution import adapt_first, adapt_kernel
from affectstore.models.modules import Encoder
from affectstore.models.spec import ENCODERS, ClipShape, ImageShape

SIZES_PX = ((16, 16), (32, 32), (48, 96), (100, 200), (112, 112), (224, 224), (224, 448), (448, 224))
OF_CLIPS = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.input_kind == "clip"]
OF_IMAGES = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.input_kind in ("image", "clip")]


def build(name: str, shape: ImageShape, **options: object) -> Encoder:
    declared = ENCODERS.load(name)
    encoder: Encoder = declared.build(shape, declared.Options(**(small(name) | options)))
    return encoder


def frames_of(shape: ImageShape) -> int:
    return shape.frames if isinstance(shape, ClipShape) else 1


def encode(name: str, shape: ImageShape, values: Tensor, seed: int = 0, **options: object) -> Tensor:
    torch.manual_seed(seed)
    encoder = build(name, shape, **options).eval()
    return encoder(values, torch.ones(len(values), frames_of(shape), dtype=torch.bool)).vector


def shape_for(name: str, channels: int, height_px: int, width_px: int, frames: int) -> ImageShape:
    sizes = {"channels": channels, "height_px": height_px, "width_px": width_px}
    return ClipShape(frames=frames, **sizes) if name in OF_CLIPS else ImageShape(**sizes)


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("channels", [1, 6])
def test_vectors_have_the_output_dim_for_every_size_and_number_of_channels(name: str, channels: int) -> None:
    for height_px, width_px in SIZES_PX:
        shape = shape_for(name, channels, height_px, width_px, frames=5)
        with torch.device("meta"):
            mask = torch.ones(2, frames_of(shape), dtype=torch.bool)
            encoder = build(name, shape)
            vectors = encoder(torch.zeros(2, *shape.size), mask).vector
        assert vectors.shape == (2, encoder.output_dim), shape


@pytest.mark.parametrize("name", OF_CLIPS)
@pytest.mark.parametrize("frames", [1, 2, 7, 135])
def test_vectors_have_the_output_dim_for_every_number_of_frames(name: str, frames: int) -> None:
    shape = ClipShape(channels=3, height_px=32, width_px=64, frames=frames)
    with torch.device("meta"):
        encoder = build(name, shape)
        vectors = encoder(torch.zeros(1, *shape.size), torch.ones(1, frames, dtype=torch.bool)).vector
    assert vectors.shape == (1, encoder.output_dim)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_no_channel_of_six_is_lost(name: str) -> None:
    """The study's GoogLeNet kept the first three of six channels, so audio never reached it."""
    shape = shape_for(name, 6, 32, 32, frames=4)
    torch.manual_seed(0)
    encoder = build(name, shape)  # in training: the output of an untrained GoogLeNet is almost 0 otherwise
    values = torch.randn(4, *shape.size, requires_grad=True)
    encoder(values, torch.ones(4, frames_of(shape), dtype=torch.bool)).vector[:, ::3].sum().backward()
    assert bool((values.grad.abs().amax(dim=(0, *range(2, values.dim()))) > 0).all())


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv3d])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_an_adapted_kernel_responds_to_grayscale_as_the_published_one(
    kind: type[nn.Conv2d | nn.Conv3d], channels: int
) -> None:
    torch.manual_seed(0)
    layer = kind(3, 5, 3, stride=2, padding=1)
    grayscale = torch.randn(2, 1, *[6] * (layer.weight.dim() - 2))
    new = adapt_first(layer, channels, pretrained=True)
    repeat = lambda count: grayscale.expand(-1, count, *grayscale.shape[2:])  # noqa: E731
    torch.testing.assert_close(new(repeat(channels)), layer(repeat(3)))
    assert new.in_channels == channels
    assert (new is layer) == (channels == 3)


def test_colours_stay_colours_where_there_are_several_images() -> None:
    kernel = torch.randn(4, 3, 2, 2)
    twice = adapt_kernel(kernel, 6)
    assert torch.equal(twice[:, :3], kernel / 2)
    assert torch.equal(twice[:, 3:], kernel / 2)


def test_a_new_first_convolution_is_newly_initialised() -> None:
    layer = nn.Conv2d(3, 5, 3)
    new = adapt_first(layer, 2, pretrained=False)
    assert new.weight.shape == (5, 2, 3, 3)
    assert not torch.equal(new.weight, adapt_kernel(layer.weight, 2))


def test_googlenet_refuses_images_that_are_too_small() -> None:
    declared = ENCODERS.load("googlenet")
    shape = ImageShape(channels=1, height_px=14, width_px=28)
    with pytest.raises(ConfigError, match="15 px or more each way, not 14x28"):
        declared.build(shape, declared.Options())
    assert "15 px or more each way, not 14x28" in (declared.Options().problem(shape) or "")


def test_googlenet_never_runs_its_unused_classifiers() -> None:
    declared = ENCODERS.load("googlenet")
    shape = ImageShape(channels=3, height_px=32, width_px=32)
    encoder = declared.build(shape, declared.Options()).train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(torch.randn(4, 3, 32, 32), torch.ones(4, 1, dtype=torch.bool))
    changed = {
        name.split(".")[0] for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"network"}  # its running statistics; those of the auxiliary classifiers stay the same
    assert {name.split(".")[0] for name in before} == {"network", "aux1", "aux2"}
    lean = declared.build(shape, declared.Options(auxiliary=False))
    assert {name.split(".")[0] for name in lean.state_dict()} == {"network"}


def test_vgg16_is_torchvisions() -> None:
    from torchvision.models import vgg16

    declared = ENCODERS.load("vgg16")
    shape = ImageShape(channels=3, height_px=64, width_px=64)
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in vgg16(weights=None).state_dict().items() if not k.startswith("classifier.6")}
        ours = declared.build(shape, declared.Options(first="3x3", hidden_dim=4096)).state_dict()
    assert {name: value.shape for name, value in ours.items()} == shapes
    values = torch.randn(1, 3, 64, 64)
    torch.manual_seed(0)
    encoder = declared.build(shape, declared.Options(first="3x3", hidden_dim=8)).eval()
    with torch.device("meta"):
        published = vgg16(weights=None)
    published.features = encoder.features
    published.classifier = encoder.classifier
    theirs = published.eval()(values)
    assert torch.equal(encoder(values, torch.ones(1, 1, dtype=torch.bool)).vector, theirs)


def test_vgg16_from_imagenet_has_its_size() -> None:
    with pytest.raises(ValidationError, match="4096"):
        ENCODERS.load("vgg16").Options(weights="imagenet", hidden_dim=64)


def test_convolutions_shrink_images_as_documented() -> None:
    for shape, length in (
        (ImageShape(channels=1, height_px=224, width_px=224), 6_272),
        (ImageShape(channels=3, height_px=2, width_px=40), 64),
    ):
        assert build("image_cnn", shape).output_dim == length
    shape = ClipShape(channels=1, height_px=100, width_px=200, frames=90)
    assert build("conv3d", shape).output_dim == 128 * 2 * 3 * 6
    assert build("conv3d", shape, channels=2).output_dim == 32 * 2 * 3 * 6


def test_pt_vit_scales_joined_images_to_its_own_size() -> None:
    joined = torch.randn(2, 1, 64, 32)
    scaled = F.interpolate(joined, size=(32, 32), mode="bilinear", antialias=True, align_corners=False)
    shapes = [ImageShape(channels=1, height_px=height, width_px=32) for height in (64, 32)]
    torch.testing.assert_close(encode("pt_vit", shapes[0], joined), encode("pt_vit", shapes[1], scaled))


@pytest.mark.parametrize("name", ["pt_vit", "videomae"])
def test_heads_of_transformers_must_divide_their_dim(name: str) -> None:
    with pytest.raises(ValidationError, match="must divide"):
        ENCODERS.load(name).Options(dim=10, heads=4)


def test_pt_vit_holds_at_least_one_patch() -> None:
    with pytest.raises(ValidationError, match="must hold a patch"):
        ENCODERS.load("pt_vit").Options(size_px=8)


def test_videomae_pads_clips_with_zeros_and_reads_spectrogram_rows_under_frames() -> None:
    odd = torch.randn(1, 1, 5, 20, 30)
    padded = torch.zeros(1, 1, 6, 24, 32)
    padded[:, :, :5, :20, :30] = odd
    shapes = [ClipShape(channels=1, frames=f, height_px=h, width_px=w) for f, h, w in ((5, 20, 30), (6, 24, 32))]
    torch.testing.assert_close(encode("videomae", shapes[0], odd), encode("videomae", shapes[1], padded))
    rows = ClipShape(channels=3, frames=4, height_px=208 + 16, width_px=224)
    assert encode("videomae", rows, torch.zeros(1, 3, 4, 224, 224), patch_px=16).shape == (1, 32)


def test_videomae_outputs_the_normalised_mean_of_its_tokens() -> None:
    shape = ClipShape(channels=3, frames=4, height_px=16, width_px=32)
    torch.manual_seed(0)
    encoder = build("videomae", shape).eval()
    values = torch.randn(2, *shape.size)
    tokens = encoder.network.videomae(pixel_values=values.transpose(1, 2)).last_hidden_state
    assert tokens.shape == (2, 2 * 2 * 4, 32)  # 2 pairs of frames, 2x4 patches
    expected = F.layer_norm(tokens.mean(dim=1), (32,))
    torch.testing.assert_close(encoder(values, torch.ones(2, 4, dtype=torch.bool)).vector, expected)


def test_a_stem_leaves_a_quarter_of_the_tokens() -> None:
    shape = ClipShape(channels=1, frames=4, height_px=32, width_px=64)
    counts = {}
    for stem in ("none", "cnn3d"):
        with torch.device("meta"):
            encoder = build("videomae", shape, stem=stem)
        counts[stem] = encoder.network.videomae.embeddings.num_patches
    assert counts == {"none": 2 * 4 * 8, "cnn3d": 2 * 2 * 4}
