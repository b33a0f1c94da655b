"""Cells that start from trained cells, or learn from them: what is taken, what is refused, what a job follows from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fused import TWO, Fused, drawn
from pydantic import ValidationError
from safetensors.torch import load_file
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError, IntegrityError, StaleError
from affectstore.models.base import TrainingError
from affectstore.models.data.dataset import load_clips
from affectstore.models.engine.start import start_from, states_of, teacher_logits
from affectstore.models.engine.train import train_fold
from affectstore.models.network import Network
from affectstore.models.recipe import recipe_of
from affectstore.models.sources import Source, check_sources, read_source, seed_digests
from affectstore.preflight.cells import plan_cells

CLASSES = ("ANG", "HAP", "SAD")
DIGESTS = {"config": "c", "split": "s", "labels": "l", "features": "f"}
SOUND = {"modalities": ["audio"], "encoder": "simple3d", "name": "sound"}
PICTURE = {"modalities": ["vision"], "encoder": "simple3d", "name": "picture"}
STUDENT = {
    "modalities": ["audio", "vision"],
    "encoder": "simple3d",
    "fusion": "distilled_probe",
    "name": "student",
    "teachers": {"audio": "sound", "vision": "picture"},
}
SETTINGS = {
    "title": "t",
    "corpus": "synthetic",
    "seeds": 1,
    "pictures": {"size_px": 16, "colour": "grey", "frames": 6},
    "train": {"learning_rate": 1e-2, "batch_size": 6, "epochs": 2},
}


def experiment(*cells: dict[str, Any], **changes: Any) -> Experiment:
    return Experiment(cells=cells, **{**SETTINGS, **changes})


def train(bench: Any, asked: Experiment, name: str, digests: dict[str, str] = DIGESTS) -> Path:
    """Train one cell; the cells that it names have been."""
    cell = next(cell for cell in asked.cells if cell.id == name)
    named = dict.fromkeys((*cell.init_from.values(), *cell.teachers.values()))
    bench.split.to_parquet(bench.folder / "split.parquet")
    train_fold(
        experiment=asked,
        experiment_name="test",
        cell=cell,
        fold=0,
        classes=CLASSES,
        store_root=bench.folder,
        split_path=bench.folder / "split.parquet",
        out=bench.folder / name,
        digests=digests,
        accelerator="cpu",
        sources={one: read_source(one, bench.folder / one, DIGESTS, name) for one in named},
    )
    return bench.folder / name / "0"


def facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_the_distillation_loss_is_the_divergence_at_a_temperature() -> None:
    fused, vectors = Fused("distilled_probe", TWO, temperature=3.0, weight=0.5), drawn(TWO)
    told = torch.randn(4, 3, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0])

    def loss_of(given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return fused.module.fuse(
            fused.weights, vectors, lambda logits: F.cross_entropy(logits, labels), fused.options, given
        ).losses

    losses = loss_of({"audio": told})
    assert set(losses) == {"distilled_audio", "probe_vision"}
    wide = vectors["audio"] if "equal_audio" not in fused.weights else fused.weights["equal_audio"](vectors["audio"])
    said = fused.weights["probe_audio"](wide)
    expected = 0.0
    for t, p in zip(told, said, strict=True):
        q, r = np.exp((t / 3).numpy()), np.exp((p / 3).detach().numpy())
        q, r = q / q.sum(), r / r.sum()
        expected += 9 * float((q * np.log(q / r)).sum()) / 4
    assert losses["distilled_audio"].item() == pytest.approx(0.5 * expected)
    same = loss_of({"audio": said.detach() + 7})  # the same probabilities
    assert same["distilled_audio"].item() == pytest.approx(0, abs=1e-12)
    losses["distilled_audio"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fused.weights["probe_audio"].parameters())


def test_a_student_learns_what_its_teachers_say(bench: Any) -> None:
    asked = experiment(SOUND, PICTURE, STUDENT)
    for name in ("sound", "picture"):
        train(bench, asked, name)
    folder = train(bench, asked, "student")
    history = pd.read_csv(folder / "history.csv")
    assert {"train_loss_distilled_audio", "train_loss_distilled_vision"} <= set(history.columns)
    run, marker = facts(folder), json.loads((bench.folder / "sound" / "fold.json").read_text())
    assert run["teachers"]["audio"] == {"cell": "sound", "digests": DIGESTS, "weights": marker["weights"]["0"]}
    assert run["init_from"] is None
    own = json.loads((folder.parent / "fold.json").read_text())
    assert own["sources"]["sound"] == marker["weights"]
    assert run["digests"]["sources"]

    # another teacher, and nothing else: other losses, and the runs of the first are not reused
    before = (folder / "model.safetensors").read_bytes()
    shutil.rmtree(bench.folder / "sound")
    train(bench, experiment(SOUND | {"train": {"epochs": 1, "learning_rate": 0.3}}, PICTURE, STUDENT), "sound")
    again = train(bench, asked, "student")
    assert facts(again)["digests"] != run["digests"]
    assert (again / "model.safetensors").read_bytes() != before


def test_teachers_say_what_they_said_when_they_were_scored(bench: Any, fake: Any, tmp_path: Path) -> None:
    asked = experiment(SOUND, PICTURE, STUDENT)
    rows = pd.read_parquet(train(bench, asked, "sound") / "predictions.parquet")
    rows = rows[rows["side"] == "test"]
    recipe = recipe_of(asked, asked.cells[2], CLASSES)
    table = rows[["clip_id", "speaker"]].assign(label=rows["y"])
    source = read_source("sound", bench.folder / "sound", DIGESTS, "student")
    clips = load_clips(bench.store, recipe, table, tmp_path)  # sound and picture, as the student reads them
    torch.manual_seed(3)
    logits = teacher_logits({"audio": source}, 0, clips, 4, torch.device("cpu"))["audio"]
    expected = rows[[f"p_{label}" for label in CLASSES]].to_numpy()
    np.testing.assert_allclose(torch.softmax(logits, dim=1).numpy(), expected, atol=1e-6)


def test_encoders_start_from_trained_ones(bench: Any) -> None:
    cell = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "concat", "name": "both"}
    asked = experiment(SOUND, cell | {"init_from": {"audio": "sound"}})
    trained = load_file(train(bench, asked, "sound") / "model.safetensors")
    source = read_source("sound", bench.folder / "sound", DIGESTS, "both")
    network = Network(recipe_of(asked, asked.cells[1], CLASSES))
    drawn_before = {name: value.clone() for name, value in network.encoders["vision"].state_dict().items()}
    start_from(network, states_of({"audio": source}, 0))
    for name, value in network.encoders["audio"].state_dict().items():
        assert torch.equal(value, trained[f"encoders.audio.{name}"])
    for name, value in network.encoders["vision"].state_dict().items():
        assert torch.equal(value, drawn_before[name])
    run = facts(train(bench, asked, "both"))
    assert run["weights"] == {"audio": "sound's", "vision": "random"}
    assert run["init_from"]["audio"]["digests"] == DIGESTS
    with pytest.raises(TrainingError, match=r"init_from\.vision.*do not fit"):
        start_from(network, {"vision": {"nothing": torch.zeros(1)}})


def test_a_source_of_another_split_or_with_other_weights_is_refused(bench: Any) -> None:
    asked = experiment(SOUND, PICTURE, STUDENT)
    train(bench, asked, "sound", {**DIGESTS, "split": "another"})
    with pytest.raises(StaleError, match="which was trained on another split"):
        train(bench, asked, "student")
    with pytest.raises(StaleError, match="not trained"):
        read_source("picture", bench.folder / "picture", DIGESTS, "student")
    path = bench.folder / "sound"
    source = Source("sound", path, DIGESTS, {0: "0" * 64})
    with pytest.raises(IntegrityError, match="marker of its cell says 000000000000"):
        states_of({"audio": source}, 0)
    with pytest.raises(ConfigError, match="its runs were not given"):
        bench.train(Experiment(cells=asked.cells[2:] + asked.cells[:2], **SETTINGS))


def test_weights_that_were_trained_on_something_else_than_their_marker_says_are_refused(
    bench: Any, fake: Any, tmp_path: Path
) -> None:
    asked = experiment(SOUND)
    folder = train(bench, asked, "sound", {**DIGESTS, "split": "another"})
    marker = json.loads((folder.parent / "fold.json").read_text())
    source = Source("sound", folder.parent, DIGESTS, {0: marker["weights"]["0"]})
    with pytest.raises(StaleError, match="another split: its digest is another, expected is s;"):
        states_of({"audio": source}, 0)
    clips = load_clips(bench.store, recipe_of(asked, asked.cells[0], CLASSES), bench.split.assign(label=None), tmp_path)
    with pytest.raises(StaleError, match="another split: its digest is another, expected is s;"):
        teacher_logits({"audio": source}, 0, clips, 4, torch.device("cpu"))


def test_seeds_follow_from_the_same_seed_of_their_sources() -> None:
    one, two = (Source("a", Path(), {}, {0: "x", 1: other}) for other in ("y", "z"))
    assert seed_digests(DIGESTS, {}, 0) == DIGESTS
    assert seed_digests(DIGESTS, {"a": one}, 0) == seed_digests(DIGESTS, {"a": two}, 0) != DIGESTS
    assert seed_digests(DIGESTS, {"a": one}, 1) != seed_digests(DIGESTS, {"a": two}, 1)


def test_the_plan_follows_from_the_settings_of_the_cells_that_are_named() -> None:
    def planned(*cells: dict[str, Any], **changes: Any) -> dict[str, str]:
        return {plan.cell.id: plan.config for plan in plan_cells("x", experiment(*cells, **changes), (0,))}

    first = planned(SOUND, PICTURE, STUDENT)
    changed = planned(SOUND | {"train": {"epochs": 9}}, PICTURE, STUDENT)
    assert {name for name in first if first[name] != changed[name]} == {"sound", "student"}
    renamed = planned(
        SOUND | {"name": "noise"}, PICTURE, STUDENT | {"teachers": {"audio": "noise", "vision": "picture"}}
    )
    assert renamed["student"] == first["student"], "a name is a path, and no number follows from it"
    chain = planned(
        SOUND | {"train": {"epochs": 9}},
        {"modalities": ["audio"], "encoder": "simple3d", "name": "second", "init_from": {"audio": "sound"}},
        PICTURE,
        STUDENT | {"teachers": {"audio": "second", "vision": "picture"}},
    )
    assert chain["student"] not in {first["student"], changed["student"]}
    other = experiment(
        SOUND | {"inputs": {"audio": "chunks"}}, STUDENT | {"teachers": {}, "init_from": {"audio": "sound"}}
    )
    student = plan_cells("x", other, (0,))[1]
    assert "chunks" in student.features.values(), "it waits for what its source reads, and follows from it"
    assert student.sources == ("sound",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        (
            {"teachers": {"audio": "sond"}},
            "unknown cell in `teachers` 'sond'; known: base, both, picture, small, sound",
        ),
        ({"teachers": {}}, "learns from trained cells"),
        ({"teachers": {"audio": "picture"}}, "which is of vision; name a network of audio alone"),
        ({"teachers": {"audio": "base"}}, "which is a baseline"),
        ({"teachers": {"audio": "both"}}, "which is of audio and vision"),
        ({"teachers": {"audio": "small"}}, "they must see the same"),
        ({"teachers": {"audio": "student"}}, "cells wait for each other: student -> student"),
        ({"fusion": "concat"}, "`teachers` mean nothing to 'concat'; fusions that learn from them: distilled_probe"),
        ({"train": {"mixup": 0.2}}, "`mixup` mixes clips"),
        ({"train": {"balance": "g_blending"}}, "would teach nothing"),
        (
            {"encoder": "conv3d", "teachers": {"audio": "sound"}, "init_from": {"audio": "sound"}},
            "encoder 'simple3d', and",
        ),
        ({"sharing": "shared", "init_from": {"audio": "sound", "vision": "picture"}}, "can start from one cell only"),
        ({"fusion": "time", "teachers": {}, "init_from": {"audio": "sound"}}, "feeds one encoder"),
    ],
)
def test_what_cannot_be_is_told_before_any_job(changes: dict[str, Any], words: str) -> None:
    both = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "concat", "name": "both"}
    base = {"modalities": ["audio"], "baseline": "majority", "name": "base"}
    small = SOUND | {"name": "small", "pictures": {"frames": 3}}
    asked = experiment(STUDENT | changes, SOUND, PICTURE, small, both, base)
    reason = check_sources(asked, asked.cells[0])
    assert words in reason
    assert bool(words) == bool(reason)


def test_modalities_of_sources_are_those_of_the_cell() -> None:
    with pytest.raises(ValidationError, match="`teachers` names text, the modalities are audio, vision"):
        experiment(SOUND, STUDENT | {"teachers": {"text": "sound"}})
    with pytest.raises(ValidationError, match="`init_from` means nothing to a baseline"):
        experiment({"modalities": ["audio"], "baseline": "majority", "init_from": {"audio": "x"}})
