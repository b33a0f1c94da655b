"""Spectrograms behind every patch of an image."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.spec import ENCODERS, FUSIONS, ImageShape

REPLICATED = FUSIONS.load("replicated")


def join(audio: torch.Tensor, vision: torch.Tensor, patch_px: int) -> torch.Tensor:
    masks = dict.fromkeys(("audio", "vision"), torch.ones(len(audio), 1, dtype=torch.bool))
    fusion = REPLICATED.build(REPLICATED.Options(patch_px=patch_px))
    return fusion({"audio": audio, "vision": vision}, masks)[0]


def test_every_patch_holds_the_whole_spectrogram() -> None:
    audio, vision = torch.randn(2, 1, 32, 32), torch.randn(2, 3, 32, 32)
    joined = join(audio, vision, 8)
    assert torch.equal(joined[:, 1:], vision)
    patches = joined[:, :1].unfold(2, 8, 8).unfold(3, 8, 8)
    assert patches.shape == (2, 1, 4, 4, 8, 8)
    assert (patches == patches[:, :, :1, :1]).all()
    shrunk = F.interpolate(audio, size=(8, 8), mode="bilinear", antialias=True, align_corners=False)
    assert torch.equal(patches[:, :, 0, 0], shrunk)


def test_a_shrunk_spectrogram_is_its_local_means() -> None:
    level = torch.arange(4.0).repeat_interleave(8).expand(1, 1, 32, 32)  # four flat stripes of 8 columns
    tile = join(level, torch.zeros(1, 1, 32, 32), 16)[0, 0, 0, :16]
    assert torch.equal(tile[[1, 2, 5, 6, 9, 10, 13, 14]], torch.arange(4.0).repeat_interleave(2))
    assert (tile.diff() >= 0).all()


def test_tiles_are_cut_where_patches_are_and_never_larger_than_the_image() -> None:
    audio = torch.randn(1, 1, 10, 6)
    joined = join(audio, torch.zeros(1, 1, 10, 6), 4)[0, 0]
    assert torch.equal(joined[:4, :4], joined[4:8, :4])
    assert torch.equal(joined[8:, 4:], joined[:2, :2])
    assert torch.equal(join(audio, torch.zeros(1, 1, 10, 6), 16)[:, :1], audio)


def test_each_frame_has_the_spectrogram_of_its_own_time() -> None:
    audio, vision = torch.randn(2, 1, 3, 16, 16), torch.randn(2, 1, 3, 16, 16)
    joined = join(audio, vision, 8)
    for frame in range(3):
        assert torch.equal(joined[:, :, frame], join(audio[:, :, frame], vision[:, :, frame], 8))


def test_each_patch_alone_depends_on_audio_and_vision() -> None:
    """The embedding of each patch follows from both; images side by side give half of the patches to each."""
    vit, shapes = (
        ENCODERS.load("vit"),
        dict.fromkeys(("audio", "vision"), ImageShape(channels=1, height_px=32, width_px=32)),
    )
    shape = REPLICATED.Options(patch_px=8).join_shapes(shapes)
    assert shape == ImageShape(channels=2, height_px=32, width_px=32)
    encoder = vit.build(shape, vit.Options(patch_px=8, dim=8, heads=1, ffn_dim=8, blocks=1)).eval()
    embed = next(m for m in encoder.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)))
    seen = []
    embed.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    audio, vision = torch.randn(1, 1, 32, 32), torch.randn(1, 1, 32, 32)
    for spectrogram in (audio, torch.randn(1, 1, 32, 32)):
        encoder(join(spectrogram, vision, 8), torch.ones(1, 1, dtype=torch.bool))
    changed = (seen[0] != seen[1]).any(dim=-1) if isinstance(embed, torch.nn.Linear) else (seen[0] != seen[1]).any(1)
    assert changed.sum() == 16
    assert changed.all()


def test_it_needs_audio() -> None:
    shapes = dict.fromkeys(("vision", "text"), ImageShape(channels=1, height_px=8, width_px=8))
    with pytest.raises(ConfigError, match="tiles the image of audio; the modalities are vision, text"):
        REPLICATED.Options().join_shapes(shapes)
