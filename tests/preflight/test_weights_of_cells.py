"""Published weights that cells start from: part of their digest, reported before any job starts, verified by jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import tiny_project
from support.python import print_of, run_python
from support.small_weights import empty_places, publish

from affectstore.cli.main import main
from affectstore.config.experiment import Experiment
from affectstore.digest import digest_file
from affectstore.errors import ConfigError, StaleError
from affectstore.jobs.train import train
from affectstore.models.spec import ENCODERS, EncoderOptions
from affectstore.preflight.cells import CellPlan, plan_cells
from affectstore.preflight.state import plan_all
from affectstore.preflight.validate import validate_weights
from affectstore.weights.known import KNOWN

FILES = {
    "resnet18": ("imagenet", "resnet18-f37072fd.pth"),
    "googlenet": ("imagenet", "googlenet-1378be20.pth"),
    "vgg16": ("imagenet", "vgg16-397923af.pth"),
    "i3d": ("rgb_imagenet", "rgb_imagenet.pt"),
}
MODELS = ("pt_vit", "videomae")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty `weights/` of a working folder, with no cache anywhere."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return empty_places(monkeypatch, tmp_path)


def cell(encoder: str, **changes: Any) -> dict[str, Any]:
    return {"modalities": ["vision"], "encoder": encoder, "name": encoder, **changes}


def planned(*cells: dict[str, Any], **changes: Any) -> dict[str, CellPlan]:
    experiment = Experiment(title="x", corpus="synthetic", cells=cells, **changes)
    return {plan.cell.id: plan for plan in plan_cells("x", experiment, (0,))}


def put(folder: Path, content: bytes, name: str = "google--vit", config: bytes = b"{}") -> Path:
    """A model's folder; the contents of its files are not read here."""
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "config.json").write_bytes(config)
    (folder / name / "model.safetensors").write_bytes(content)
    return folder / name


@pytest.mark.parametrize("name", ENCODERS.names())
def test_an_encoder_with_pretrained_weights_declares_their_digest(name: str) -> None:
    options = ENCODERS.load(name).Options
    has_digest = options.pretrained_digest is not EncoderOptions.pretrained_digest
    assert ("weights" in options.model_fields) == has_digest
    assert options().pretrained_digest() is None
    if has_digest:
        assert name in (*FILES, *MODELS), "a case for it here"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_part_of_the_digest(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, file = FILES[name]
    asked = cell(name, encoder_options={"weights": weights})
    lacking = planned(asked)[name]
    assert lacking.config is None
    for word in (file, KNOWN[file].url, str(folder.absolute()), f"affectstore weights --fetch {file}"):
        assert word in (lacking.problem or "")
    (folder / file).write_bytes(b"another file")
    assert "is not the published file" in planned(asked)[name].problem
    found = []
    for content in (b"one", b"another one"):
        (folder / file).write_bytes(content)
        publish(monkeypatch, file, sha256=digest_file(folder / file))
        plan = planned(asked)[name]
        assert plan.problem is None
        found.append(plan.config)
    assert len({*found, planned(cell(name))[name].config}) == 3


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_part_of_the_digest(name: str, folder: Path) -> None:
    asked = cell(name, encoder_options={"weights": "google/vit", "revision": "abc"})
    lacking = planned(asked)[name]
    assert lacking.config is None
    for word in ("'google/vit' (revision abc)", "https://huggingface.co/google/vit", str(folder / "google--vit")):
        assert word in (lacking.problem or "")
    model = put(folder, b"one")
    first = planned(asked)[name].config
    (model / "preprocessor_config.json").write_text("{}")  # nothing that the encoder reads
    assert planned(asked)[name].config == first
    assert len(first) == 64
    put(folder, b"two")
    second = planned(asked)[name].config
    put(folder, b"one", config=b'{"hidden_act": "relu"}')
    assert len({first, second, planned(asked)[name].config}) == 3
    put(folder, b"one")
    assert planned(asked)[name].config == first


@pytest.mark.parametrize("name", [*FILES, *MODELS, "simple3d"])
def test_cells_with_newly_initialised_weights_keep_their_digest(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = planned(cell(name))[name].config
    monkeypatch.setattr(ENCODERS.load(name).Options, "pretrained_digest", EncoderOptions.pretrained_digest)
    assert planned(cell(name))[name].config == before


def test_cells_that_start_from_a_cell_follow_from_its_weights(folder: Path) -> None:
    options = {"weights": "google/vit"}
    cells = (
        cell("pt_vit", encoder_options=options),
        cell("pt_vit", name="tuned", init_from={"vision": "pt_vit"}),
        cell("pt_vit", name="anew"),
        cell("pt_vit", name="swept", grid={"encoder_options.weights": ["random", "google/vit"]}),
    )
    lacking = planned(*cells)
    assert {name for name, plan in lacking.items() if plan.problem} == {"pt_vit", "tuned", "swept"}
    assert list(validate_weights("x", [lacking["anew"]])) == []
    (problem,) = validate_weights("x", lacking.values())  # each reason once
    assert str(problem).startswith(
        "experiment 'x': pt_vit, tuned, swept cannot be trained here: model 'google/vit' (revision"
    )
    put(folder, b"one")
    one = planned(*cells)
    put(folder, b"two")
    two = planned(*cells)
    assert {name for name in one if one[name].config != two[name].config} == {"pt_vit", "tuned", "swept"}
    assert one["anew"] == lacking["anew"]


def test_planning_them_needs_no_torch(folder: Path) -> None:
    put(folder, b"one")
    code = (
        "import sys\nfrom affectstore.config.experiment import Experiment\n"
        "from affectstore.preflight.cells import plan_cells\n"
        "cell = {'modalities': ['vision'], 'encoder': 'pt_vit', 'encoder_options': {'weights': 'google/vit'}}\n"
        "(plan,) = plan_cells('x', Experiment(title='x', corpus='synthetic', cells=(cell,)), (0,))\n"
        "print(plan.problem, sorted({'torch', 'transformers', 'torchvision'} & set(sys.modules)))"
    )
    assert print_of(code, folder.parent) == "None []"


@pytest.fixture
def project(folder: Path) -> Path:
    """Eight audio files, and an experiment of one cell that starts from a model and one that does not."""
    options = {"weights": "google/vit"}
    audio = {"modalities": ["audio"], "encoder": "pt_vit"}
    config = {
        "corpora": {"mydata": {"kind": "folder", "root": "mine", "shards": 1}},
        "features": {name: {"extractor": name} for name in ("audio", "mel", "mel_image")},
        "experiments": ["tiny"],
    }
    experiment = {
        **tiny_project.EXPERIMENT,
        "corpus": "mydata",
        "cells": [{**audio, "name": "published", "encoder_options": options}, {**audio, "name": "anew"}],
    }
    tiny_project.make_project(folder.parent, config, experiment)
    tiny_project.write_audio_clips(folder.parent / "mine", clips=8, seconds=0.2)
    return folder


def test_a_run_reports_missing_weights_before_any_job(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["-m", "snakemake", "--snakefile", tiny_project.SNAKEFILE, "--cores", "1", "-n"]
    done = run_python(*command, HF_HUB_CACHE=str(project / "hub"))
    assert done.returncode == 1
    assert "published cannot be trained here: model 'google/vit'" in done.stdout + done.stderr
    for arguments in (["run"], ["run", "-n", "tiny"]):
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert "experiment 'tiny': published cannot be trained here: model 'google/vit' (revision main)" in said
        assert f"--local-dir {project / 'google--vit'}" in said
    assert not [*Path("results").rglob("shards")]
    assert not Path("logs").exists()
    state = plan_all()
    assert "cannot be trained here" in str(state.experiments["tiny"].problems)
    with pytest.raises(ConfigError, match="cannot be trained here"):
        state.markers("tiny")
    with pytest.raises(ConfigError, match="cannot be trained here"):
        state.cell_inputs("tiny", "published", 0)
    assert len(state.cell_inputs("tiny", "anew", 0, full=True)) == 2  # the other cell and the store can be made
    assert len(state.catalogs()) == 3
    put(project, b"one")
    state = plan_all()
    assert state.experiments["tiny"].problems == ()
    assert set(state.experiments["tiny"].missing.values()) == {"new"}


def test_a_job_refuses_other_weights_than_were_planned(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = put(project, b"one")
    state = plan_all()
    digests = {name: state.cell("tiny", name, 0).config for name in ("published", "anew")}
    job = ["train", "--config", str(state.config_file), "--experiment", "tiny", "--fold", "0"]
    put(project, b"two")
    assert main([*job, "--cell", "published", "--digest", digests["published"]]) == 1
    said = capsys.readouterr().err
    assert f"tiny/published: planned with settings {digests['published'][:12]}, this installation has " in said
    assert "have the published weights that it starts from changed since?" in said
    with pytest.raises(StaleError):
        train(state.config_file, "tiny", "published", 0, digests["published"])
    (model / "model.safetensors").unlink()
    assert main([*job, "--cell", "published", "--digest", digests["published"]]) == 1
    assert "this installation cannot train it: model 'google/vit'" in capsys.readouterr().err
    assert main([*job, "--cell", "anew", "--digest", digests["anew"]]) == 1  # stopped by the store, which is not made
    assert "cannot be trained here" not in (said := capsys.readouterr().err)
    assert "planned with settings" not in said
