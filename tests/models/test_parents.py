"""Cells that start from trained cells, or learn from them: their weights and logits, refusals, digests of a job."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from support.fake_store import CLASSES
from support.fused import TWO, Fused, drawn
from support.training import facts, train_cell

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError, IntegrityError, StaleError
from affectstore.models.cells.parents import ParentRuns, parents_problem, read_parent, seed_digests
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.dataset import load_clips
from affectstore.models.network import Network
from affectstore.models.spec import TrainingError
from affectstore.models.training.warm_start import encoder_states, start_from, teacher_logits
from affectstore.preflight.cells import plan_cells

DIGESTS = {"config": "c", "split": "s", "labels": "l", "features": "f"}
AUDIO = {"modalities": ["audio"], "encoder": "simple3d", "name": "audio-net"}
VISION = {"modalities": ["vision"], "encoder": "simple3d", "name": "vision-net"}
STUDENT = {
    "modalities": ["audio", "vision"],
    "encoder": "simple3d",
    "fusion": "distilled_probe",
    "name": "student",
    "teachers": {"audio": "audio-net", "vision": "vision-net"},
}
SETTINGS = {
    "title": "t",
    "corpus": "synthetic",
    "seeds": 1,
    "images": {"image_px": 16, "colour": "grayscale", "frames": 6},
    "train": {"learning_rate": 1e-2, "batch_size": 6, "epochs": 2},
}


def experiment(*cells: dict[str, Any], **changes: Any) -> Experiment:
    return Experiment(cells=cells, **{**SETTINGS, **changes})


def train(bench: Any, asked: Experiment, name: str, digests: dict[str, str] = DIGESTS) -> Path:
    """Train one cell; its parent cells are trained already."""
    cell = next(cell for cell in asked.cells if cell.id == name)
    named = dict.fromkeys((*cell.init_from.values(), *cell.teachers.values()))
    bench.split.to_parquet(bench.folder / "split.parquet")
    parents = {one: read_parent(one, bench.folder / one, DIGESTS, name) for one in named}
    return train_cell(asked, bench.folder, name, cell=cell, digests=digests, parents=parents)


def test_the_distillation_loss_is_the_divergence_at_a_temperature() -> None:
    fused, vectors = Fused("distilled_probe", TWO, temperature=3.0, weight=0.5), drawn(TWO)
    logits = torch.randn(4, 3, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0])

    losses = fused(vectors, labels, teachers={"audio": logits}).losses
    assert set(losses) == {"distilled_audio", "probe_vision"}
    student = fused.fusion.probes["audio"](fused.fusion.match(vectors)["audio"])
    expected = 0.0
    for t, p in zip(logits, student, strict=True):
        q, r = np.exp((t / 3).numpy()), np.exp((p / 3).detach().numpy())
        q, r = q / q.sum(), r / r.sum()
        expected += 9 * float((q * np.log(q / r)).sum()) / 4
    assert losses["distilled_audio"].item() == pytest.approx(0.5 * expected)
    same = fused(vectors, labels, teachers={"audio": student.detach() + 7})  # the same probabilities
    assert same.losses["distilled_audio"].item() == pytest.approx(0, abs=1e-12)
    losses["distilled_audio"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fused.fusion.probes["audio"].parameters())


def test_a_student_learns_from_its_teachers(bench: Any) -> None:
    asked = experiment(AUDIO, VISION, STUDENT)
    for name in ("audio-net", "vision-net"):
        train(bench, asked, name)
    folder = train(bench, asked, "student")
    history = pd.read_csv(folder / "history.csv")
    assert {"train_loss_distilled_audio", "train_loss_distilled_vision"} <= set(history.columns)
    run, marker = facts(folder), json.loads((bench.folder / "audio-net" / "fold.json").read_text())
    assert run["teachers"]["audio"] == {"cell": "audio-net", "digests": DIGESTS, "weights": marker["weights"]["0"]}
    assert run["init_from"] is None
    own = json.loads((folder.parent / "fold.json").read_text())
    assert own["parents"]["audio-net"] == marker["weights"]
    assert run["digests"]["parents"]

    # another teacher, and nothing else: other losses, and the runs of the first are not reused
    before = (folder / "model.safetensors").read_bytes()
    shutil.rmtree(bench.folder / "audio-net")
    train(bench, experiment(AUDIO | {"train": {"epochs": 1, "learning_rate": 0.3}}, VISION, STUDENT), "audio-net")
    again = train(bench, asked, "student")
    assert facts(again)["digests"] != run["digests"]
    assert (again / "model.safetensors").read_bytes() != before


def test_logits_of_teachers_are_those_of_their_predictions(bench: Any, fake: Any, tmp_path: Path) -> None:
    asked = experiment(AUDIO, VISION, STUDENT)
    rows = pd.read_parquet(train(bench, asked, "audio-net") / "predictions.parquet")
    rows = rows[rows["subset"] == "test"]
    recipe = recipe_for(asked, asked.cells[2], CLASSES)
    table = rows[["clip_id", "speaker"]].assign(label=rows["y"])
    parent = read_parent("audio-net", bench.folder / "audio-net", DIGESTS, "student")
    clips = load_clips(bench.store, recipe, table, tmp_path)  # audio and vision, as the student reads them
    torch.manual_seed(3)
    logits = teacher_logits({"audio": parent}, 0, clips, 4, torch.device("cpu"))["audio"]
    expected = rows[[f"p_{label}" for label in CLASSES]].to_numpy()
    np.testing.assert_allclose(torch.softmax(logits, dim=1).numpy(), expected, atol=1e-6)


def test_encoders_start_from_trained_ones(bench: Any) -> None:
    cell = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "concat", "name": "both"}
    asked = experiment(AUDIO, cell | {"init_from": {"audio": "audio-net"}})
    trained = load_file(train(bench, asked, "audio-net") / "model.safetensors")
    parent = read_parent("audio-net", bench.folder / "audio-net", DIGESTS, "both")
    network = Network(recipe_for(asked, asked.cells[1], CLASSES))
    initial = {name: value.clone() for name, value in network.encoders["vision"].state_dict().items()}
    start_from(network, encoder_states({"audio": parent}, 0))
    for name, value in network.encoders["audio"].state_dict().items():
        assert torch.equal(value, trained[f"encoders.audio.{name}"])
    for name, value in network.encoders["vision"].state_dict().items():
        assert torch.equal(value, initial[name])
    run = facts(train(bench, asked, "both"))
    assert run["weights"] == {"audio": "audio-net's", "vision": "random"}
    assert run["init_from"]["audio"]["digests"] == DIGESTS
    with pytest.raises(TrainingError, match=r"init_from\.vision.*do not fit"):
        start_from(network, {"vision": {"nothing": torch.zeros(1)}})


def test_a_parent_of_another_split_or_with_other_weights_is_refused(bench: Any) -> None:
    asked = experiment(AUDIO, VISION, STUDENT)
    train(bench, asked, "audio-net", {**DIGESTS, "split": "another"})
    with pytest.raises(StaleError, match="which was trained on another split"):
        train(bench, asked, "student")
    with pytest.raises(StaleError, match="not trained"):
        read_parent("vision-net", bench.folder / "vision-net", DIGESTS, "student")
    path = bench.folder / "audio-net"
    parent = ParentRuns("audio-net", path, DIGESTS, {0: "0" * 64})
    with pytest.raises(IntegrityError, match="marker of its cell names 000000000000"):
        encoder_states({"audio": parent}, 0)
    with pytest.raises(ConfigError, match="its runs were not given"):
        bench.train(Experiment(cells=asked.cells[2:] + asked.cells[:2], **SETTINGS))


def test_weights_that_were_trained_on_something_else_than_their_marker_states_are_refused(
    bench: Any, fake: Any, tmp_path: Path
) -> None:
    asked = experiment(AUDIO)
    folder = train(bench, asked, "audio-net", {**DIGESTS, "split": "another"})
    marker = json.loads((folder.parent / "fold.json").read_text())
    parent = ParentRuns("audio-net", folder.parent, DIGESTS, {0: marker["weights"]["0"]})
    with pytest.raises(StaleError, match="another split: its digest is another, expected is s;"):
        encoder_states({"audio": parent}, 0)
    recipe = recipe_for(asked, asked.cells[0], CLASSES)
    clips = load_clips(bench.store, recipe, bench.split.assign(label=None), tmp_path)
    with pytest.raises(StaleError, match="another split: its digest is another, expected is s;"):
        teacher_logits({"audio": parent}, 0, clips, 4, torch.device("cpu"))


def test_seeds_follow_from_the_same_seed_of_their_parents() -> None:
    one, two = (ParentRuns("a", Path(), {}, {0: "x", 1: other}) for other in ("y", "z"))
    assert seed_digests(DIGESTS, {}, 0) == DIGESTS
    assert seed_digests(DIGESTS, {"a": one}, 0) == seed_digests(DIGESTS, {"a": two}, 0) != DIGESTS
    assert seed_digests(DIGESTS, {"a": one}, 1) != seed_digests(DIGESTS, {"a": two}, 1)


def test_the_plan_follows_from_the_settings_of_the_parent_cells() -> None:
    def planned(*cells: dict[str, Any], **changes: Any) -> dict[str, str]:
        return {plan.cell.id: plan.config for plan in plan_cells("x", experiment(*cells, **changes), (0,))}

    first = planned(AUDIO, VISION, STUDENT)
    changed = planned(AUDIO | {"train": {"epochs": 9}}, VISION, STUDENT)
    assert {name for name in first if first[name] != changed[name]} == {"audio-net", "student"}
    renamed = planned(
        AUDIO | {"name": "other"}, VISION, STUDENT | {"teachers": {"audio": "other", "vision": "vision-net"}}
    )
    assert renamed["student"] == first["student"], "a name is a path, and no number follows from it"
    chain = planned(
        AUDIO | {"train": {"epochs": 9}},
        {"modalities": ["audio"], "encoder": "simple3d", "name": "second", "init_from": {"audio": "audio-net"}},
        VISION,
        STUDENT | {"teachers": {"audio": "second", "vision": "vision-net"}},
    )
    assert chain["student"] not in {first["student"], changed["student"]}
    other = experiment(
        AUDIO | {"inputs": {"audio": "chunks"}}, STUDENT | {"teachers": {}, "init_from": {"audio": "audio-net"}}
    )
    student = plan_cells("x", other, (0,))[1]
    assert "chunks" in student.features.values(), "it waits for the features of its parent, and follows from them"
    assert student.parents == ("audio-net",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        (
            {"teachers": {"audio": "audio-nt"}},
            "unknown cell in `teachers` 'audio-nt'; known: audio-net, base, both, small, student, vision-net",
        ),
        ({"teachers": {}}, "learns from trained cells"),
        ({"teachers": {"audio": "vision-net"}}, "which is of vision; name a network of audio alone"),
        ({"teachers": {"audio": "base"}}, "which is a baseline"),
        ({"teachers": {"audio": "both"}}, "which is of audio and vision"),
        ({"teachers": {"audio": "small"}}, "they must see the same"),
        ({"teachers": {"audio": "student"}}, "cells wait for each other: student -> student"),
        ({"fusion": "concat"}, "`teachers` mean nothing to 'concat'; fusions that learn from them: distilled_probe"),
        (
            {"encoder": "conv3d", "teachers": {"audio": "audio-net"}, "init_from": {"audio": "audio-net"}},
            "encoder 'simple3d', and",
        ),
        (
            {"sharing": "shared", "init_from": {"audio": "audio-net", "vision": "vision-net"}},
            "can start from one cell only",
        ),
        ({"fusion": "time", "teachers": {}, "init_from": {"audio": "audio-net"}}, "feeds one encoder"),
    ],
)
def test_parents_that_cannot_be_used_are_reported_before_any_job(changes: dict[str, Any], words: str | None) -> None:
    both = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "concat", "name": "both"}
    base = {"modalities": ["audio"], "baseline": "majority", "name": "base"}
    small = AUDIO | {"name": "small", "images": {"frames": 3}}
    asked = experiment(STUDENT | changes, AUDIO, VISION, small, both, base)
    problem = parents_problem(asked, asked.cells[0])
    assert problem is None if words is None else words in str(problem)


@pytest.mark.parametrize("trick", ["mixup", "g_blending"])
def test_tricks_that_change_what_the_student_sees_exclude_teachers(trick: str) -> None:
    asked = experiment(AUDIO, VISION, STUDENT | {"train": {"tricks": {trick: {}}}})
    problem = cell_problem(asked, asked.cells[2])
    assert (
        problem == f"tricks `distillation` and `{trick}` cannot be combined (used wherever a cell has `teachers`); "
        "choose one of them"
    )


def test_modalities_of_parents_are_those_of_the_cell() -> None:
    with pytest.raises(ValidationError, match="`teachers` names text, the modalities are audio, vision"):
        experiment(AUDIO, STUDENT | {"teachers": {"text": "audio-net"}})
    with pytest.raises(ValidationError, match="`init_from` means nothing to a baseline"):
        experiment({"modalities": ["audio"], "baseline": "majority", "init_from": {"audio": "x"}})
