"""Encoders that start from published weights: files and folders of the right names and shapes, made here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.models.spec import ENCODERS, ClipShape, ImageShape
from affectstore.models.training.saved_model import load_model
from affectstore.weights import known

Publish = Callable[[str, dict[str, Tensor]], Path]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Write a state into `weights/` under a known name, and make its digest the known one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "weights").mkdir()

    def write(name: str, state: dict[str, Tensor]) -> Path:
        path = tmp_path / "weights" / name
        torch.save(state, path)
        written = replace(known.KNOWN[name], sha256=digest_file(path))
        monkeypatch.setattr(known, "KNOWN", {**known.KNOWN, name: written})
        return path

    return write


def made_up(network: torch.nn.Module) -> dict[str, Tensor]:
    """A state of the network's shapes, each tensor one number repeated: tiny on disk."""
    return {
        name: torch.tensor(0.001 * (1 + k % 50)).expand(value.shape) if value.is_floating_point() else torch.tensor(3)
        for k, (name, value) in enumerate(network.state_dict().items())
    }


def image(channels: int) -> ImageShape:
    return ImageShape(channels=channels, height_px=32, width_px=32)


def test_googlenet_from_imagenet(publish: Publish) -> None:
    from torchvision.models import GoogLeNet

    with torch.device("meta"):
        network = GoogLeNet(aux_logits=True, init_weights=False)
    state = made_up(network)
    publish("googlenet-1378be20.pth", state)
    declared = ENCODERS.load("googlenet")
    plain = declared.build(image(3), declared.Options(weights="imagenet"))
    assert torch.equal(plain.network.inception5b.branch1.conv.weight, state["inception5b.branch1.conv.weight"])
    assert torch.equal(plain.aux2.fc1.weight, state["aux2.fc1.weight"])
    assert plain.network.conv1.weight.unique().numel() > 1  # new
    for channels in (3, 2):
        options = declared.Options(weights="imagenet", first="published", auxiliary=False)
        first = declared.build(image(channels), options).network.conv1
        torch.testing.assert_close(
            first.conv.weight, state["conv1.conv.weight"][:, :1].expand(-1, channels, -1, -1) * 3 / channels
        )
        assert torch.equal(first.bn.running_mean, state["conv1.bn.running_mean"])
    assert declared.Options(weights="imagenet").pretrained_source == "imagenet (googlenet-1378be20.pth)"


def test_vgg16_from_imagenet(publish: Publish) -> None:
    from torchvision.models import vgg16

    with torch.device("meta"):
        network = vgg16(weights=None)
    state = made_up(network)
    publish("vgg16-397923af.pth", state)
    declared = ENCODERS.load("vgg16")
    options = declared.Options(weights="imagenet")
    encoder = declared.build(image(6), options)
    assert torch.equal(encoder.classifier[3].bias, state["classifier.3.bias"])
    assert torch.equal(encoder.features[28].weight, state["features.28.weight"])
    assert encoder.features[0].weight.shape == (64, 6, 7, 7)
    assert encoder.output_dim == 4096
    assert options.pretrained_source == "imagenet (vgg16-397923af.pth)"


def test_i3d_from_kinetics(publish: Publish) -> None:
    declared = ENCODERS.load("i3d")
    shapes = {c: ClipShape(channels=c, height_px=32, width_px=32, frames=4) for c in (1, 3)}
    with torch.device("meta"):
        network = declared.build(shapes[3], declared.Options()).network
    state = made_up(network)
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}  # an old file
    state["logits.conv3d.weight"] = torch.zeros(1).expand(400, 1024, 1, 1, 1)
    state["logits.conv3d.bias"] = torch.zeros(400)
    publish("rgb_imagenet.pt", state)
    options = declared.Options(weights="rgb_imagenet")
    colour, grayscale = (declared.build(shapes[c], options).network for c in (3, 1))
    for name, value in colour.state_dict().items():
        assert torch.equal(value, state.get(name, torch.tensor(0)))
    torch.testing.assert_close(grayscale.Conv3d_1a_7x7.conv3d.weight, state["Conv3d_1a_7x7.conv3d.weight"][:, :1] * 3)
    assert torch.equal(grayscale.Mixed_5c.b3b.bn.running_var, state["Mixed_5c.b3b.bn.running_var"])
    assert options.pretrained_source == "rgb_imagenet (rgb_imagenet.pt)"


def test_a_file_of_another_network_is_refused(publish: Publish) -> None:
    publish("rgb_imagenet.pt", {"Conv3d_1a_7x7.conv3d.weight": torch.zeros(64, 3, 7, 7, 7)})
    declared = ENCODERS.load("i3d")
    shape = ClipShape(channels=3, height_px=32, width_px=32, frames=4)
    with pytest.raises(ConfigError, match="is not of this network"):
        declared.build(shape, declared.Options(weights="rgb_imagenet"))


CLIP = ClipShape(channels=3, frames=4, height_px=16, width_px=16)
SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
OPTIONS = {"dim": 24, "layers": 2, "heads": 2, "ffn_dim": 20, "patch_px": 8}


@pytest.fixture
def vit(tmp_path: Path) -> tuple[Path, Any]:
    """A folder like that of google/vit-base-patch16-224-in21k on the hub: a model without classifier, with a pooler."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(5)
    model = ViTModel(ViTConfig(image_size=32, patch_size=8, **SIZES))
    model.save_pretrained(tmp_path / "vit")
    return tmp_path / "vit", model.eval()


def test_pt_vit_from_a_folder(vit: tuple[Path, Any]) -> None:
    folder, published = vit
    declared = ENCODERS.load("pt_vit")
    options = declared.Options(weights=str(folder), size_px=32, **OPTIONS)
    values = torch.randn(2, 3, 32, 32)
    mask = torch.ones(2, 1, dtype=torch.bool)
    encoder = declared.build(image(3), options).eval()
    with torch.no_grad():
        expected = published(pixel_values=values).last_hidden_state[:, 0]
        torch.testing.assert_close(encoder(values, mask).vector, expected)
        grayscale = declared.build(image(1), options).eval()
        expected = published(pixel_values=values[:, :1].expand(-1, 3, -1, -1)).last_hidden_state[:, 0]
        torch.testing.assert_close(grayscale(values[:, :1], mask).vector, expected, rtol=1e-4, atol=1e-5)
    assert options.pretrained_source == "vit"


def test_a_run_records_the_digest_of_its_pretrained_weights(vit: tuple[Path, Any], bench: Any, fake: Any) -> None:
    from affectstore.weights.hub import ModelName, find_model

    options = {"weights": str(vit[0]), "size_px": 32, **OPTIONS}
    cell = {
        "modalities": ["audio", "vision"],
        "encoder": {"audio": "simple3d", "vision": "pt_vit"},
        "fusion": "concat",
        "encoder_options": {"vision": options},
    }
    folder = bench.train(fake.experiment(cell, train={"epochs": 1, "batch_size": 12}))
    run = json.loads((folder / "run.json").read_text())
    assert run["weights"] == {"audio": "random", "vision": "vit"}
    assert run["weights_digests"] == {"vision": find_model(ModelName(str(vit[0]))).network_digest}
    shutil.rmtree(vit[0])
    network, _ = load_model(folder)  # from its own weights: the published ones are gone
    assert network.recipe.encoders["vision"].options["weights"] == str(vit[0])


def test_the_error_about_other_sizes_names_the_options(tmp_path: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEModel

    VideoMAEModel(VideoMAEConfig(image_size=16, patch_size=8, num_frames=4, **SIZES)).save_pretrained(tmp_path / "clip")
    declared = ENCODERS.load("videomae")
    options = declared.Options(weights=str(tmp_path / "clip"), **OPTIONS | {"dim": 32, "ffn_dim": 8})
    with pytest.raises(ConfigError, match="add `dim: 24, ffn_dim: 20` to them"):
        declared.build(CLIP, options)


def test_the_error_about_a_missing_model_tells_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    declared = ENCODERS.load("pt_vit")
    options = declared.Options(weights="google/vit-base-patch16-224-in21k", revision="abc")
    with torch.device("meta"), pytest.raises(ConfigError) as error:
        declared.build(image(3), options)
    for word in ("google/vit-base-patch16-224-in21k", "revision abc", "hf download", str(tmp_path / "weights")):
        assert word in str(error.value)
    assert options.pretrained_source == "google/vit-base-patch16-224-in21k (revision abc)"


@pytest.mark.parametrize("tuned", [True, False])
def test_videomae_from_a_folder(tuned: bool, tmp_path: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEModel

    torch.manual_seed(5)
    config = VideoMAEConfig(image_size=16, patch_size=8, num_frames=4, num_labels=7, **SIZES)
    published = (VideoMAEForVideoClassification if tuned else VideoMAEModel)(config).eval()
    if tuned:
        torch.nn.init.normal_(published.fc_norm.weight)
    published.save_pretrained(tmp_path / "clip")
    declared = ENCODERS.load("videomae")
    options = declared.Options(weights=str(tmp_path / "clip"), **OPTIONS)
    values = torch.randn(2, 3, 4, 16, 16)
    mask = torch.ones(2, 4, dtype=torch.bool)
    encoder = declared.build(CLIP, options).eval()
    with torch.no_grad():
        frames = values.transpose(1, 2)
        if tuned:
            expected = published.fc_norm(published.videomae(frames).last_hidden_state.mean(dim=1))
        else:
            expected = torch.nn.functional.layer_norm(published(frames).last_hidden_state.mean(dim=1), (24,))
        torch.testing.assert_close(encoder(values, mask).vector, expected)
    longer = ClipShape(channels=1, frames=8, height_px=16, width_px=24)
    other = declared.build(longer, options).network.state_dict()
    own = published.state_dict()
    prefix = "" if tuned else "videomae."
    for name, value in own.items():
        if "projection.weight" not in name and not name.startswith("classifier"):
            assert torch.equal(other[prefix + name], value)


def test_a_model_of_another_kind_is_refused(vit: tuple[Path, Any]) -> None:
    declared = ENCODERS.load("videomae")
    with pytest.raises(ConfigError, match="is a 'vit' model; this encoder takes 'videomae' models"):
        declared.build(CLIP, declared.Options(weights=str(vit[0]), **OPTIONS))


def test_a_model_that_is_built_differently_is_refused(tmp_path: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEModel

    config = VideoMAEConfig(image_size=16, patch_size=8, num_frames=4, hidden_act="relu", **SIZES)
    VideoMAEModel(config).save_pretrained(tmp_path / "clip")
    declared = ENCODERS.load("videomae")
    with pytest.raises(ConfigError, match=r"built differently.*hidden_act relu"):
        declared.build(CLIP, declared.Options(weights=str(tmp_path / "clip"), **OPTIONS))
