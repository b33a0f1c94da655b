"""`pt_vit` takes any image transformer: tiny ones of several kinds, saved in folders as the hub has them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from affectstore.config.experiment import Experiment
from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.models.base import ENCODERS, Given
from affectstore.models.check import check_cell
from affectstore.models.engine.saved import load_model
from affectstore.models.recipe import recipe_of

MODULE = ENCODERS.load("pt_vit")
_FLAT = {"image_size": 32, "patch_size": 8, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
_MLP = {"intermediate_size": 20}
#: Type -> entries of the configuration, width, and how many tokens stand before the patches.
KINDS: dict[str, tuple[dict[str, Any], int, int]] = {
    "vit": ({**_FLAT, **_MLP}, 24, 1),
    "deit": ({**_FLAT, **_MLP}, 24, 2),
    "beit": ({**_FLAT, **_MLP, "use_relative_position_bias": True, "layer_scale_init_value": 0.1}, 24, 1),
    "dinov2": (_FLAT, 24, 1),
    "dinov2_with_registers": ({**_FLAT, "num_register_tokens": 3}, 24, 4),
    "swin": (
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 2},
        16,
        0,
    ),
}
MASK = torch.ones(3, 1, dtype=torch.bool)


def model(kind: str, auto: str = "AutoModel") -> Any:
    """A model with weights that matter: its pictures and their parts give different vectors."""
    import transformers

    config = transformers.AutoConfig.for_model(kind, **KINDS[kind][0], initializer_range=0.3)
    torch.manual_seed(3)
    config.architectures = ["DeiTForImageClassification"]  # of DeiT's two classifiers the plain one
    made = getattr(transformers, auto).from_config(config).eval()
    for name, parameter in made.named_parameters():
        if "cls_token" in name or "position" in name:
            torch.nn.init.normal_(parameter)
    return made


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    model(kind).save_pretrained(tmp_path / kind)
    return tmp_path / kind


def image(channels: int, size_px: int = 32) -> Given:
    return Given(channels=channels, height_px=size_px, width_px=size_px)


def pictures(channels: int = 3, size_px: int = 32) -> Tensor:
    return torch.randn(3, channels, size_px, size_px, generator=torch.Generator().manual_seed(1))


def vector(given: Given, values: Tensor, **options: Any) -> Tensor:
    asked = MODULE.Options(**options)
    with torch.no_grad():
        return MODULE.encode(MODULE.weights(given, asked).eval(), values, MASK, asked)


def expected(kind: str, network: Any, values: Tensor, pooling: str = "auto") -> Tensor:
    with torch.no_grad():
        states = network(pixel_values=values).last_hidden_state
    before = KINDS[kind][2]
    return states[:, before:].mean(dim=1) if pooling == "mean" or not before else states[:, 0]


def test_sizes_and_vector_are_the_models_own(kind: str, folder: Path) -> None:
    width, before = KINDS[kind][1:]
    options = MODULE.Options(weights=str(folder))
    assert MODULE.features(image(3), options) == width
    assert MODULE.check(image(3), options) == ""
    network, values = model(kind), pictures()
    found = vector(image(3), values, weights=str(folder))
    assert found.shape == (3, width)
    torch.testing.assert_close(found, expected(kind, network, values))
    assert (found[0] - found[1]).abs().max() > 0.01
    torch.testing.assert_close(
        vector(image(3), values, weights=str(folder), pooling="mean"), expected(kind, network, values, "mean")
    )
    if before:
        torch.testing.assert_close(vector(image(3), values, weights=str(folder), pooling="cls"), found)
        return
    with pytest.raises(ConfigError, match="a 'swin' model has no class token; take `pooling: mean`"):
        MODULE.weights(image(3), MODULE.Options(weights=str(folder), pooling="cls"))


def test_any_channels_and_pictures_of_any_size(kind: str, folder: Path) -> None:
    network, grey = model(kind), pictures(1)
    torch.testing.assert_close(
        vector(image(1), grey, weights=str(folder)),
        expected(kind, network, grey.expand(-1, 3, -1, -1)),
        rtol=1e-4,
        atol=1e-5,
    )
    joined = torch.nn.functional.interpolate(
        pictures(size_px=48), size=(32, 32), mode="bilinear", antialias=True, align_corners=False
    )
    found = vector(image(3, 48), pictures(size_px=48), weights=str(folder))
    torch.testing.assert_close(found, expected(kind, network, joined))


def test_other_sizes_of_pictures_interpolate_positions(kind: str, folder: Path) -> None:
    network, values = model(kind), pictures(size_px=48)
    further = {} if kind.startswith("dinov2") else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        states = network(pixel_values=values, **further).last_hidden_state
    tokens = states[:, 0] if KINDS[kind][2] else states.mean(dim=1)
    torch.testing.assert_close(vector(image(3, 48), values, weights=str(folder), size_px=48), tokens)


def test_all_that_is_trained_has_a_gradient_and_nothing_else_counts(kind: str, folder: Path) -> None:
    torch.manual_seed(0)
    weights = MODULE.weights(image(3), MODULE.Options(weights=str(folder))).eval()
    MODULE.encode(weights, pictures(), MASK, MODULE.Options(weights=str(folder))).square().sum().backward()
    trained = {name: p for name, p in weights.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0] == []
    idle = {name for name, _ in weights.named_parameters()} - set(trained)
    assert all(name.endswith("mask_token") for name in idle)
    assert not [name for name, _ in weights.named_parameters() if "pooler" in name]


@pytest.mark.parametrize("name", ["vit", "deit", "swin", "dinov2", "beit"])
def test_a_classifier_is_left_behind(name: str, tmp_path: Path) -> None:
    classifier = model(name, "AutoModelForImageClassification")
    classifier.save_pretrained(tmp_path / "tuned")
    found = vector(image(3), pictures(), weights=str(tmp_path / "tuned"))
    torch.testing.assert_close(found, expected(name, classifier.base_model, pictures()))


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
        found = vector(image(3), pictures(), weights="someone/tiny", revision=revision)
        torch.testing.assert_close(found, expected(kind, model(kind), pictures()))
    named = {"weights": "someone/tiny", "revision": "v2"}
    assert MODULE.weights_digest(MODULE.Options(**named)) == MODULE.weights_digest(MODULE.Options(weights=str(folder)))
    with pytest.raises(ConfigError, match=r"revision v3\) is not on this machine"):
        MODULE.weights(image(3), MODULE.Options(weights="someone/tiny", revision="v3"))
    assert MODULE.check(image(3), MODULE.Options(weights="someone/tiny", revision="v3")) == ""  # its digest says so


def cell(**options: Any) -> dict[str, Any]:
    return {"modalities": ["vision"], "encoder": "pt_vit", "encoder_options": options}


@pytest.mark.parametrize("name", ["dinov2", "swin"])
def test_a_trained_one_is_read_where_the_published_one_is_not(name: str, bench: Any, fake: Any, tmp_path: Path) -> None:
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


def test_the_newly_drawn_vit_is_that_of_the_library_to_the_bit() -> None:
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"size_px": 32, "patch_px": 8, "dim": 24, "layers": 2, "heads": 2, "mlp": 20}
    torch.manual_seed(5)
    library = ViTForImageClassification(ViTConfig(**_FLAT, **_MLP, num_channels=2, num_labels=0)).eval()
    then = torch.rand(4)
    torch.manual_seed(5)
    options = MODULE.Options(**sizes)
    weights = MODULE.weights(image(2), options).eval()
    assert torch.equal(torch.rand(4), then)  # what is drawn after it stays the same
    own = weights.state_dict()
    assert list(own) == list(library.state_dict())
    assert all(torch.equal(value, own[name]) for name, value in library.state_dict().items())
    with torch.no_grad():
        assert torch.equal(MODULE.encode(weights, pictures(2), MASK, options), library(pixel_values=pictures(2)).logits)
    assert MODULE.settled(MODULE.Options()).model_dump() == {
        "weights": "random",
        "revision": None,
        "architecture": None,
        "pooling": "auto",
        "size_px": 224,
        "patch_px": 16,
        "dim": 768,
        "layers": 12,
        "heads": 12,
        "mlp": 3072,
    }


def test_a_published_vit_leaves_the_generator_where_it_was(tmp_path: Path) -> None:
    """So that the classifier behind it is drawn as it always was."""
    from transformers import AutoModelForImageClassification, ViTConfig, ViTForImageClassification

    model("vit").save_pretrained(tmp_path / "vit")
    torch.manual_seed(5)
    ViTForImageClassification(ViTConfig(**_FLAT, **_MLP, num_labels=0))
    AutoModelForImageClassification.from_pretrained(tmp_path / "vit", local_files_only=True)
    then = torch.rand(4)
    torch.manual_seed(5)
    MODULE.weights(image(3), MODULE.Options(weights=str(tmp_path / "vit")))
    assert torch.equal(torch.rand(4), then)


def test_another_architecture_is_drawn_anew() -> None:
    architecture = {"model_type": "swin", **KINDS["swin"][0]}
    options = MODULE.Options(architecture=architecture)
    assert MODULE.features(image(2), options) == 16
    torch.manual_seed(0)
    one, other = (MODULE.weights(image(2), options).eval() for _ in range(2))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert MODULE.encode(one, pictures(2), MASK, options).shape == (3, 16)
    assert MODULE.settled(options) == options


def reason(**options: Any) -> str:
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell(**options),))
    return check_cell(experiment, experiment.cells[0])


def test_sizes_that_are_not_the_models_are_refused_before_any_job(tmp_path: Path) -> None:
    for kind in ("vit", "dinov2"):
        model(kind).save_pretrained(tmp_path / kind)
    vit, dinov2 = (str(tmp_path / kind) for kind in ("vit", "dinov2"))
    assert reason(weights=vit, dim=24, layers=2, heads=2, mlp=20, patch_px=8) == reason(weights=vit) == ""
    assert "`layers: 4` of encoder 'pt_vit' is not that of " + vit in reason(weights=vit, layers=4)
    assert "which has 2; leave it out" in reason(weights=vit, layers=4)
    assert "`mlp: 20` of encoder 'pt_vit'" in _refused(weights=dinov2, mlp=20)
    assert "has no intermediate_size; leave it out" in _refused(weights=dinov2, mlp=20)
    assert "has no `model_type`" in reason(architecture={"hidden_size": 24})
    other = {"model_type": "vit", **_FLAT, **_MLP}
    assert "`dim: 8` of encoder 'pt_vit' is not that of its `architecture`, which has 24" in reason(
        architecture=other, dim=8
    )
    assert "`architecture` is not that of " + vit in reason(weights=vit, architecture=other | {"hidden_size": 8})
    (asked,) = Experiment(title="t", corpus="synthetic", cells=(cell(weights=vit),)).cells
    part = recipe_of(Experiment(title="t", corpus="c", cells=(asked,)), asked, ("a", "b")).encoders["vision"]
    assert reason(**part.options) == ""  # what is written of a trained one is right too


def _refused(**options: Any) -> str:
    with pytest.raises(ConfigError) as error:
        MODULE.weights(image(3), MODULE.Options(**options))
    return str(error.value)


def test_models_that_read_no_pictures_or_hide_some_are_refused(tmp_path: Path) -> None:
    import transformers

    transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(tmp_path)
    assert "is a 'bert' model, which reads no pictures" in reason(weights=str(tmp_path))
    masked = {"model_type": "vit_mae", **_FLAT, **_MLP}
    assert "a 'vit_mae' model hides patches" in _refused(architecture=masked)
    assert "no model of type 'vitt'" in _refused(architecture={"model_type": "vitt", "image_size": 32})
    assert "a 'clip' model reads no pictures alone" in _refused(architecture={"model_type": "clip", "hidden_size": 8})
    cannot = _refused(architecture={"model_type": "videomae", **_FLAT, **_MLP})
    assert "a 'videomae' model cannot read pictures of 3x32x32 as one vector" in cannot


def test_checking_them_needs_no_torch(tmp_path: Path) -> None:
    model("vit").save_pretrained(tmp_path / "vit")
    code = (
        "import sys\nfrom affectstore.config.experiment import Experiment\n"
        "from affectstore.models.check import check_cell\n"
        "cell = {'modalities': ['vision'], 'encoder': 'pt_vit', 'encoder_options': {'weights': './vit', 'layers': 3}}\n"
        "asked = Experiment(title='x', corpus='synthetic', cells=(cell,))\n"
        "print('leave it out' in check_cell(asked, asked.cells[0]), "
        "sorted({'torch', 'transformers', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


def test_a_configuration_that_leaves_defaults_out_says_them_too(tmp_path: Path) -> None:
    model("swin").save_pretrained(tmp_path / "swin")
    path = tmp_path / "swin/config.json"
    entries = json.loads(path.read_text())
    path.write_text(
        json.dumps({key: value for key, value in entries.items() if key not in ("hidden_size", "mlp_ratio")})
    )
    assert MODULE.features(image(3), MODULE.Options(weights=str(tmp_path / "swin"))) == 16
    assert vector(image(3), pictures(), weights=str(tmp_path / "swin")).shape == (3, 16)
