"""Encoders of pictures and clips at every size and channel they may meet."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_networks import small
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.base import ENCODERS, Given
from affectstore.models.encoders._channels import adapt_first, adapted

SIZES_PX = ((16, 16), (32, 32), (48, 96), (100, 200), (112, 112), (224, 224), (224, 448), (448, 224))
OF_PICTURES = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.takes in ("image", "clip")]


def encode(name: str, given: Given, values: Tensor, seed: int = 0, **options: Any) -> Tensor:
    module = ENCODERS.load(name)
    chosen = module.Options(**(small(name) | options))
    torch.manual_seed(seed)
    weights = module.weights(given, chosen).eval()
    return module.encode(weights, values, torch.ones(len(values), given.frames or 1, dtype=torch.bool), chosen)


@pytest.mark.parametrize("name", OF_PICTURES)
@pytest.mark.parametrize("channels", [1, 6])
def test_every_size_and_channel_gives_the_announced_vector(name: str, channels: int) -> None:
    module = ENCODERS.load(name)
    options = module.Options(**small(name))
    for height_px, width_px in SIZES_PX:
        for frames in (5,) if module.SPEC.takes == "clip" else (None,):
            given = Given(channels=channels, height_px=height_px, width_px=width_px, frames=frames)
            with torch.device("meta"):
                mask = torch.ones(2, frames or 1, dtype=torch.bool)
                vectors = module.encode(module.weights(given, options), torch.zeros(2, *given.shape), mask, options)
            assert vectors.shape == (2, module.features(given, options)), given


@pytest.mark.parametrize("name", [name for name in OF_PICTURES if ENCODERS.load(name).SPEC.takes == "clip"])
@pytest.mark.parametrize("frames", [1, 2, 7, 135])
def test_every_number_of_frames_gives_the_announced_vector(name: str, frames: int) -> None:
    module = ENCODERS.load(name)
    given = Given(channels=3, height_px=32, width_px=64, frames=frames)
    options = module.Options(**small(name))
    with torch.device("meta"):
        mask = torch.ones(1, frames, dtype=torch.bool)
        vectors = module.encode(module.weights(given, options), torch.zeros(1, *given.shape), mask, options)
    assert vectors.shape == (1, module.features(given, options))


@pytest.mark.parametrize("name", OF_PICTURES)
def test_no_channel_of_six_is_lost(name: str) -> None:
    """The study's GoogLeNet kept the first three of six channels, so sound never reached it."""
    module = ENCODERS.load(name)
    given = Given(channels=6, height_px=32, width_px=32, frames=4 if module.SPEC.takes == "clip" else None)
    options = module.Options(**small(name))
    torch.manual_seed(0)
    weights = module.weights(given, options)  # in training: an untrained GoogLeNet gives next to nothing otherwise
    values = torch.randn(4, *given.shape, requires_grad=True)
    module.encode(weights, values, torch.ones(4, given.frames or 1, dtype=torch.bool), options)[:, ::3].sum().backward()
    assert bool((values.grad.abs().amax(dim=(0, *range(2, values.dim()))) > 0).all())


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv3d])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_an_adapted_kernel_answers_to_grey_as_the_published_one(
    kind: type[nn.Conv2d | nn.Conv3d], channels: int
) -> None:
    torch.manual_seed(0)
    layer = kind(3, 5, 3, stride=2, padding=1)
    grey = torch.randn(2, 1, *[6] * (layer.weight.dim() - 2))
    new = adapt_first(layer, channels, published=True)
    repeat = lambda count: grey.expand(-1, count, *grey.shape[2:])  # noqa: E731
    torch.testing.assert_close(new(repeat(channels)), layer(repeat(3)))
    assert new.in_channels == channels
    assert (new is layer) == (channels == 3)


def test_colours_stay_colours_where_there_are_several_pictures() -> None:
    kernel = torch.randn(4, 3, 2, 2)
    twice = adapted(kernel, 6)
    assert torch.equal(twice[:, :3], kernel / 2)
    assert torch.equal(twice[:, 3:], kernel / 2)


def test_a_new_first_convolution_is_drawn_anew() -> None:
    layer = nn.Conv2d(3, 5, 3)
    new = adapt_first(layer, 2, published=False)
    assert new.weight.shape == (5, 2, 3, 3)
    assert not torch.equal(new.weight, adapted(layer.weight, 2))


def test_googlenet_says_what_it_is_too_small_for() -> None:
    module = ENCODERS.load("googlenet")
    with pytest.raises(ConfigError, match="15 px or more each way, not 14x28"):
        module.weights(Given(channels=1, height_px=14, width_px=28), module.Options())


def test_googlenet_never_runs_what_it_does_not_use() -> None:
    module = ENCODERS.load("googlenet")
    given = Given(channels=3, height_px=32, width_px=32)
    options = module.Options()
    weights = module.weights(given, options).train()
    before = {name: value.clone() for name, value in weights.state_dict().items()}
    module.encode(weights, torch.randn(4, 3, 32, 32), torch.ones(4, 1, dtype=torch.bool), options)
    changed = {
        name.split(".")[0] for name, value in weights.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"network"}  # its running statistics; those of the auxiliary classifiers stand still
    assert {name.split(".")[0] for name in before} == {"network", "aux1", "aux2"}
    lean = module.weights(given, module.Options(auxiliary=False))
    assert {name.split(".")[0] for name in lean.state_dict()} == {"network"}


def test_vgg16_is_torchvisions() -> None:
    from torchvision.models import vgg16

    module = ENCODERS.load("vgg16")
    options = module.Options(first="3x3", hidden=4096)
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in vgg16(weights=None).state_dict().items() if not k.startswith("classifier.6")}
        ours = module.weights(Given(channels=3, height_px=64, width_px=64), options).state_dict()
    assert {name: value.shape for name, value in ours.items()} == shapes
    values = torch.randn(1, 3, 64, 64)
    given = Given(channels=3, height_px=64, width_px=64)
    torch.manual_seed(0)
    small_options = module.Options(first="3x3", hidden=8)
    weights = module.weights(given, small_options).eval()
    with torch.device("meta"):
        published = vgg16(weights=None)
    published.features = weights["features"]
    published.classifier = weights["classifier"]
    theirs = published.eval()(values)
    assert torch.equal(module.encode(weights, values, torch.ones(1, 1, dtype=torch.bool), small_options), theirs)


def test_vgg16_from_imagenet_has_its_width() -> None:
    with pytest.raises(ValidationError, match="4096"):
        ENCODERS.load("vgg16").Options(weights="imagenet", hidden=64)


def test_convolutions_shrink_as_their_pages_say() -> None:
    image, conv3d = ENCODERS.load("image_cnn"), ENCODERS.load("conv3d")
    for given, length in (
        (Given(channels=1, height_px=224, width_px=224), 6_272),
        (Given(channels=3, height_px=2, width_px=40), 64),
    ):
        assert image.features(given, image.Options()) == length
    given = Given(channels=1, height_px=100, width_px=200, frames=90)
    assert conv3d.features(given, conv3d.Options()) == 128 * 2 * 3 * 6
    assert conv3d.features(given, conv3d.Options(width=2)) == 32 * 2 * 3 * 6


def test_pt_vit_scales_joined_pictures_to_its_own_size() -> None:
    joined = torch.randn(2, 1, 64, 32)
    scaled = F.interpolate(joined, size=(32, 32), mode="bilinear", antialias=True, align_corners=False)
    given = [Given(channels=1, height_px=height, width_px=32) for height in (64, 32)]
    torch.testing.assert_close(encode("pt_vit", given[0], joined), encode("pt_vit", given[1], scaled))


@pytest.mark.parametrize("name", ["pt_vit", "videomae"])
def test_sizes_of_transformers_must_fit(name: str) -> None:
    with pytest.raises(ValidationError, match="must divide"):
        ENCODERS.load(name).Options(dim=10, heads=4)


def test_pt_vit_holds_at_least_one_patch() -> None:
    with pytest.raises(ValidationError, match="must hold a patch"):
        ENCODERS.load("pt_vit").Options(size_px=8)


def test_videomae_continues_clips_by_zeros_and_takes_rows_of_sound_under_frames() -> None:
    odd = torch.randn(1, 1, 5, 20, 30)
    padded = torch.zeros(1, 1, 6, 24, 32)
    padded[:, :, :5, :20, :30] = odd
    given = [Given(channels=1, frames=f, height_px=h, width_px=w) for f, h, w in ((5, 20, 30), (6, 24, 32))]
    torch.testing.assert_close(encode("videomae", given[0], odd), encode("videomae", given[1], padded))
    rows = Given(channels=3, frames=4, height_px=208 + 16, width_px=224)
    assert encode("videomae", rows, torch.zeros(1, 3, 4, 224, 224), patch_px=16).shape == (1, 32)


def test_videomae_gives_the_normalised_mean_of_its_tokens() -> None:
    module = ENCODERS.load("videomae")
    given = Given(channels=3, frames=4, height_px=16, width_px=32)
    options = module.Options(**small("videomae"))
    torch.manual_seed(0)
    weights = module.weights(given, options).eval()
    values = torch.randn(2, *given.shape)
    tokens = weights["network"].videomae(pixel_values=values.transpose(1, 2)).last_hidden_state
    assert tokens.shape == (2, 2 * 2 * 4, 32)  # 2 pairs of frames, 2x4 patches
    expected = F.layer_norm(tokens.mean(dim=1), (32,))
    vectors = module.encode(weights, values, torch.ones(2, 4, dtype=torch.bool), options)
    torch.testing.assert_close(vectors, expected)


def test_a_stem_leaves_a_quarter_of_the_tokens() -> None:
    module = ENCODERS.load("videomae")
    given = Given(channels=1, frames=4, height_px=32, width_px=64)
    counts = {}
    for stem in ("none", "cnn3d"):
        with torch.device("meta"):
            weights = module.weights(given, module.Options(**small("videomae"), stem=stem))
        counts[stem] = weights["network"].videomae.embeddings.num_patches
    assert counts == {"none": 2 * 4 * 8, "cnn3d": 2 * 2 * 4}
