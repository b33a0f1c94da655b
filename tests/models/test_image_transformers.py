"""`pt_vit` accepts any image transformer: tiny ones of several kinds, saved in folders as the hub has them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_image_transformers import FLAT, KINDS, MASK, MLP, cell, image, images, model, vector
from torch import Tensor

from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.models.encoders.pt_vit import Options, PTViT
from affectstore.models.training.saved_model import load_model


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    model(kind).save_pretrained(tmp_path / kind)
    return tmp_path / kind


def expected(kind: str, network: Any, values: Tensor, pooling: str = "auto") -> Tensor:
    with torch.no_grad():
        states = network(pixel_values=values).last_hidden_state
    before = KINDS[kind][2]
    return states[:, before:].mean(dim=1) if pooling == "mean" or not before else states[:, 0]


def test_sizes_and_vector_are_the_models_own(kind: str, folder: Path) -> None:
    dim, before = KINDS[kind][1:]
    options = Options(weights=str(folder))
    assert PTViT(image(3), options).output_dim == dim
    assert options.problem(image(3)) is None
    network, values = model(kind), images()
    found = vector(image(3), values, weights=str(folder))
    assert found.shape == (3, dim)
    torch.testing.assert_close(found, expected(kind, network, values))
    assert (found[0] - found[1]).abs().max() > 0.01
    torch.testing.assert_close(
        vector(image(3), values, weights=str(folder), pooling="mean"), expected(kind, network, values, "mean")
    )
    if before:
        torch.testing.assert_close(vector(image(3), values, weights=str(folder), pooling="cls"), found)
        return
    with pytest.raises(ConfigError, match="a 'swin' model has no class token; use `pooling: mean`"):
        PTViT(image(3), Options(weights=str(folder), pooling="cls"))


def test_any_channels_and_images_of_any_size(kind: str, folder: Path) -> None:
    network, grayscale = model(kind), images(1)
    torch.testing.assert_close(
        vector(image(1), grayscale, weights=str(folder)),
        expected(kind, network, grayscale.expand(-1, 3, -1, -1)),
        rtol=1e-4,
        atol=1e-5,
    )
    joined = torch.nn.functional.interpolate(
        images(size_px=48), size=(32, 32), mode="bilinear", antialias=True, align_corners=False
    )
    found = vector(image(3, 48), images(size_px=48), weights=str(folder))
    torch.testing.assert_close(found, expected(kind, network, joined))


def test_other_sizes_of_images_interpolate_positions(kind: str, folder: Path) -> None:
    network, values = model(kind), images(size_px=48)
    further = {} if kind.startswith("dinov2") else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        states = network(pixel_values=values, **further).last_hidden_state
    tokens = states[:, 0] if KINDS[kind][2] else states.mean(dim=1)
    torch.testing.assert_close(vector(image(3, 48), values, weights=str(folder), size_px=48), tokens)


def test_all_trainable_parameters_have_a_gradient_and_no_others_count(kind: str, folder: Path) -> None:
    torch.manual_seed(0)
    encoder = PTViT(image(3), Options(weights=str(folder))).eval()
    encoder(images(), MASK).vector.square().sum().backward()
    trained = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0] == []
    idle = {name for name, _ in encoder.named_parameters()} - set(trained)
    assert all(name.endswith("mask_token") for name in idle)
    assert not [name for name, _ in encoder.named_parameters() if "pooler" in name]


@pytest.mark.parametrize("name", ["vit", "deit", "swin", "dinov2", "beit"])
def test_the_classifier_of_a_published_model_is_left_out(name: str, tmp_path: Path) -> None:
    classifier = model(name, "AutoModelForImageClassification")
    classifier.save_pretrained(tmp_path / "tuned")
    found = vector(image(3), images(), weights=str(tmp_path / "tuned"))
    torch.testing.assert_close(found, expected(name, classifier.base_model, images()))


def test_by_id_and_revision_from_the_hubs_cache(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = folder.parent / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(work / "hub"))
    commit, root = "0123456789abcdef0123456789abcdef01234567", work / "hub/models--someone--tiny"
    for part in (f"snapshots/{commit}", "blobs", "refs"):
        (root / part).mkdir(parents=True)
    (root / "refs/v2").write_text(commit)
    for file in folder.iterdir():
        name = digest_file(file) if file.suffix == ".safetensors" else f"etag-{file.name}"
        shutil.copy(file, root / "blobs" / name)
        snapshot = root / "snapshots" / commit
        (snapshot / file.name).symlink_to(os.path.relpath(root / "blobs" / name, snapshot))
    for revision in ("v2", commit):
        found = vector(image(3), images(), weights="someone/tiny", revision=revision)
        torch.testing.assert_close(found, expected(kind, model(kind), images()))
    named = {"weights": "someone/tiny", "revision": "v2"}
    digest = Options(**named).pretrained_digest()
    assert digest is not None
    assert digest == Options(weights=str(folder)).pretrained_digest()
    missing = Options(weights="someone/tiny", revision="v3")
    with pytest.raises(ConfigError, match=r"revision v3\) is not on this machine"):
        PTViT(image(3), missing)
    assert missing.problem(image(3)) is None
    with pytest.raises(ConfigError, match=r"revision v3\) is not on this machine"):
        missing.pretrained_digest()


@pytest.mark.parametrize("name", ["dinov2", "swin"])
def test_a_trained_model_loads_where_the_published_one_is_missing(
    name: str, bench: Any, fake: Any, tmp_path: Path
) -> None:
    model(name).save_pretrained(tmp_path / "begun")
    train = {"epochs": 1, "batch_size": 12, "learning_rate": 1e-3}
    folder = bench.train(fake.experiment(cell(weights=str(tmp_path / "begun")), train=train))
    options = json.loads((folder / "model.json").read_text())["recipe"]["encoders"]["vision"]["options"]
    assert options["architecture"]["model_type"] == name
    assert "id2label" not in options["architecture"]
    kept, scales = load_model(folder)
    shutil.rmtree(tmp_path / "begun")
    network, _ = load_model(folder)
    values = torch.randn(2, 1, 16, 16)
    masks = {"vision": torch.ones(2, 1, dtype=torch.bool)}
    with torch.no_grad():
        logits = network({"vision": values}, masks).logits
        assert torch.equal(logits, kept({"vision": values}, masks).logits)
    assert logits.shape == (2, 3)
    assert set(scales) == {"vision"}
    begun = model(name).state_dict()
    moved = {key.removeprefix("encoders.vision.vit."): value for key, value in network.state_dict().items()}
    assert any(not torch.equal(moved[key], value) for key, value in begun.items() if key in moved)


def test_the_newly_initialised_vit_is_that_of_the_library_to_the_bit() -> None:
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"size_px": 32, "patch_px": 8, "dim": 24, "layers": 2, "heads": 2, "ffn_dim": 20}
    torch.manual_seed(5)
    library = ViTForImageClassification(ViTConfig(**FLAT, **MLP, num_channels=2, num_labels=0)).eval()
    then = torch.rand(4)
    torch.manual_seed(5)
    encoder = PTViT(image(2), Options(**sizes)).eval()
    assert torch.equal(torch.rand(4), then)  # random numbers after it stay the same
    own = encoder.state_dict()
    assert list(own) == list(library.state_dict())
    assert all(torch.equal(value, own[name]) for name, value in library.state_dict().items())
    with torch.no_grad():
        assert torch.equal(encoder(images(2), MASK).vector, library(pixel_values=images(2)).logits)
    assert Options().resolved().model_dump() == {
        "weights": "random",
        "revision": None,
        "architecture": None,
        "pooling": "auto",
        "size_px": 224,
        "patch_px": 16,
        "dim": 768,
        "layers": 12,
        "heads": 12,
        "ffn_dim": 3072,
    }


def test_a_published_vit_leaves_the_generator_where_it_was(tmp_path: Path) -> None:
    """So that the classifier behind it is initialised as before."""
    from transformers import AutoModelForImageClassification, ViTConfig, ViTForImageClassification

    model("vit").save_pretrained(tmp_path / "vit")
    torch.manual_seed(5)
    ViTForImageClassification(ViTConfig(**FLAT, **MLP, num_labels=0))
    AutoModelForImageClassification.from_pretrained(tmp_path / "vit", local_files_only=True)
    then = torch.rand(4)
    torch.manual_seed(5)
    PTViT(image(3), Options(weights=str(tmp_path / "vit")))
    assert torch.equal(torch.rand(4), then)


def test_another_architecture_is_newly_initialised() -> None:
    architecture = {"model_type": "swin", **KINDS["swin"][0]}
    options = Options(architecture=architecture)
    torch.manual_seed(0)
    one, other = (PTViT(image(2), options).eval() for _ in range(2))
    assert one.output_dim == 16
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert one(images(2), MASK).vector.shape == (3, 16)
    assert options.resolved() == options
