"""Options of published image transformers that do not fit are refused before any job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.python import print_of
from support.tiny_image_transformers import FLAT, MLP, cell, image, images, model, vector

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.encoders.pt_vit import Options, PTViT


def problem(**options: Any) -> str | None:
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell(**options),))
    return cell_problem(experiment, experiment.cells[0])


def reason(**options: Any) -> str:
    found = problem(**options)
    assert found is not None
    return found


def test_sizes_that_are_not_the_models_are_refused_before_any_job(tmp_path: Path) -> None:
    for kind in ("vit", "dinov2"):
        model(kind).save_pretrained(tmp_path / kind)
    vit, dinov2 = (str(tmp_path / kind) for kind in ("vit", "dinov2"))
    assert problem(weights=vit, dim=24, layers=2, heads=2, ffn_dim=20, patch_px=8) is None
    assert problem(weights=vit) is None
    assert "`layers: 4` of encoder 'pt_vit' is not that of " + vit in reason(weights=vit, layers=4)
    assert "which has 2; leave it out" in reason(weights=vit, layers=4)
    assert "`ffn_dim: 20` of encoder 'pt_vit'" in _refused(weights=dinov2, ffn_dim=20)
    assert "has no intermediate_size; leave it out" in _refused(weights=dinov2, ffn_dim=20)
    assert "has no `model_type`" in reason(architecture={"hidden_size": 24})
    other = {"model_type": "vit", **FLAT, **MLP}
    assert "`dim: 8` of encoder 'pt_vit' is not that of its `architecture`, which has 24" in reason(
        architecture=other, dim=8
    )
    assert "`architecture` is not that of " + vit in reason(weights=vit, architecture=other | {"hidden_size": 8})
    (asked,) = Experiment(title="t", corpus="synthetic", cells=(cell(weights=vit),)).cells
    part = recipe_for(Experiment(title="t", corpus="c", cells=(asked,)), asked, ("a", "b")).encoders["vision"]
    assert problem(**part.options) is None  # the options that are saved with a trained model are valid too


def _refused(**options: Any) -> str:
    with pytest.raises(ConfigError) as error:
        PTViT(image(3), Options(**options))
    return str(error.value)


def test_models_that_read_no_images_or_hide_patches_are_refused(tmp_path: Path) -> None:
    import transformers

    transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(tmp_path)
    assert "is a 'bert' model, which reads no images" in reason(weights=str(tmp_path))
    masked = {"model_type": "vit_mae", **FLAT, **MLP}
    assert "a 'vit_mae' model hides patches" in _refused(architecture=masked)
    assert "no model of type 'vitt'" in _refused(architecture={"model_type": "vitt", "image_size": 32})
    assert "a 'clip' model does not read images alone" in _refused(
        architecture={"model_type": "clip", "hidden_size": 8}
    )
    cannot = _refused(architecture={"model_type": "videomae", **FLAT, **MLP})
    assert "a 'videomae' model cannot read images of 3x32x32 as one vector" in cannot


def test_validation_needs_no_torch(tmp_path: Path) -> None:
    model("vit").save_pretrained(tmp_path / "vit")
    code = (
        "import sys\nfrom affectstore.config.experiment import Experiment\n"
        "from affectstore.models.cells.validate import cell_problem\n"
        "cell = {'modalities': ['vision'], 'encoder': 'pt_vit', 'encoder_options': {'weights': './vit', 'layers': 3}}\n"
        "asked = Experiment(title='x', corpus='synthetic', cells=(cell,))\n"
        "print('leave it out' in cell_problem(asked, asked.cells[0]), "
        "sorted({'torch', 'transformers', 'torchvision'} & set(sys.modules)))"
    )
    assert print_of(code, tmp_path) == "True []"


def test_entries_that_a_configuration_leaves_out_have_their_defaults(tmp_path: Path) -> None:
    model("swin").save_pretrained(tmp_path / "swin")
    path = tmp_path / "swin/config.json"
    entries = json.loads(path.read_text())
    path.write_text(
        json.dumps({key: value for key, value in entries.items() if key not in ("hidden_size", "mlp_ratio")})
    )
    assert PTViT(image(3), Options(weights=str(tmp_path / "swin"))).output_dim == 16
    assert vector(image(3), images(), weights=str(tmp_path / "swin")).shape == (3, 16)
