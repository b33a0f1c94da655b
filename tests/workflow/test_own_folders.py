"""Corpora of kind `folder`: two folders with tables, from config.yaml to results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from support import small_crema_d, tiny_project
from support.python import run_python

import affectstore
from affectstore.cli.main import main
from affectstore.config.experiment import Experiment
from affectstore.preflight.cells import data_digests
from affectstore.preflight.state import plan_all

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("own_folders")]
CELLS = {
    "mydata": {"modalities": ["audio"], "baseline": "linear_svm", "name": "audio-svm"},
    "yours": {"modalities": ["audio"], "encoder": "mlp", "name": "audio-mlp"},
}
SMALL: dict[str, Any] = {
    "folds": [0],
    "seeds": 1,
    "inputs": {"audio": {"sequence": "mel"}},
    "train": {"epochs": 1, "batch_size": 4},
}
CONFIG: dict[str, Any] = {
    "corpora": {
        "mydata": {"kind": "folder", "root": "mine", "shards": 1},
        "yours": {
            "kind": "folder",
            "root": "yours",
            "shards": 2,
            "options": {"csv": "list.tsv", "columns": {"label": "mood", "path": "file"}},
        },
    },
    "features": {"audio": {"extractor": "audio"}, "mel": {"extractor": "mel"}},
    "experiments": ["tiny", "other"],
}


def make(folder: Path) -> Path:
    """Two folders: `mydata` has subsets and two labels, `yours` has four speakers and three."""
    experiments = [
        {"title": corpus, "corpus": corpus, "protocol": protocol, "cells": [CELLS[corpus]], **SMALL}
        for corpus, protocol in (("mydata", "given"), ("yours", "speaker_independent"))
    ]
    tiny_project.make_project(folder, CONFIG, experiments[0])
    (folder / "workflow/experiments/other.yaml").write_text(yaml.safe_dump(experiments[1]))
    mine, yours = ["path,label,speaker,split"], ["file\tmood\tspeaker"]
    (folder / "mine").mkdir()
    (folder / "yours" / "in").mkdir(parents=True)
    for number in range(12):
        clip = f"take {number}.wav"
        (folder / "mine" / clip).write_bytes(small_crema_d.sound(200 + 20 * number, 0.5))
        mine.append(f"{clip},{('calm', 'tense')[number % 2]},s{number // 2},{'test' if number > 7 else 'train'}")
        (folder / "yours" / "in" / clip).write_bytes(small_crema_d.sound(210 + 20 * number, 0.5))
        yours.append(f"in\\{clip}\t{('up', 'down', 'level')[number % 3]}\tp{number % 4}")
    (folder / "mine" / "clips.csv").write_text("\n".join(mine) + "\n")
    (folder / "yours" / "list.tsv").write_text("\n".join(yours) + "\n")
    return folder


def run(folder: Path) -> str:
    done = run_python("-m", "affectstore", "run", "--cores", "1", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = make(tmp_path_factory.mktemp("own") / "project")
    return folder, run(folder)


def test_each_has_its_store_split_and_table(done: tuple[Path, str]) -> None:
    folder, said = done
    mine, yours = (affectstore.open(folder / "results/store" / name) for name in ("mydata", "yours"))
    assert sorted(mine["mel"].clip_ids) == sorted(f"take {number}" for number in range(12))
    assert sorted(yours["mel"].clip_ids) == sorted(f"in-take {number}" for number in range(12))
    given = json.loads((folder / "results/splits/mydata/given.json").read_text())
    assert given["folds"] == {"0": {"train": 6, "val": 2, "test": 4, "unlabelled": 0, "excluded": 0}}
    independent = json.loads((folder / "results/splits/yours/speaker_independent.json").read_text())
    assert [fold["test"] for fold in independent["folds"].values()] == [3, 3, 3, 3]
    for name, corpus in (("tiny", "mydata"), ("other", "yours")):
        table = (folder / f"results/tables/{name}.md").read_text()
        assert table in said
        assert f"Corpus {corpus}" in table
        assert "label target intended" in table


def test_classes_are_the_labels_of_the_table(done: tuple[Path, str]) -> None:
    folder, _ = done
    for name, labels in (("tiny", ["calm", "tense"]), ("other", ["down", "level", "up"])):
        predicted = pd.read_parquet(next((folder / f"results/runs/{name}").rglob("predictions.parquet")))
        assert [column for column in predicted if column.startswith("p_")] == [f"p_{label}" for label in labels]
        assert set(predicted["y"].astype(str)) <= set(labels)


def test_a_new_label_trains_again_and_may_be_named_at_once(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_project.copy_project(done[0], tmp_path / "project")
    monkeypatch.chdir(folder)
    assert {name: state.missing for name, state in plan_all().experiments.items()} == {"tiny": {}, "other": {}}
    table = folder / "mine" / "clips.csv"
    (folder / "mine" / "new.wav").write_bytes(small_crema_d.sound(900, 0.5))
    table.write_text(table.read_text() + "new.wav,angry,s9,\n")  # no subset: it takes no part, but its label is a class
    experiment = folder / "workflow/experiments/tiny.yaml"
    written = experiment.read_text()
    states = plan_all().experiments
    assert set(states["tiny"].missing.values()) == {"split changed"}
    assert states["other"].missing == {}
    experiment.write_text(written + "classes: [calm, tense, angry]\n")
    assert plan_all().experiments["tiny"].problems == ()
    table.write_text(table.read_text() + "new2.wav,bored,s9,train\n")
    (folder / "mine" / "new2.wav").write_bytes(small_crema_d.sound(950, 0.5))
    experiment.write_text(written + "classes: [calm, tense, bored]\n")  # the last scan did not know it
    assert plan_all().experiments["tiny"].problems == ()
    experiment.write_text(written + "classes: [calm, tensed]\n")
    problem = "\n".join(map(str, plan_all().experiments["tiny"].problems))
    assert "unknown label in `classes` 'tensed'; known: " in problem
    assert "Did you mean 'tense'?" in problem


def test_a_label_of_a_clip_that_is_not_selected_is_a_class_all_the_same(done: tuple[Path, str]) -> None:
    clips = pd.read_parquet(done[0] / "results/store/yours/clips.parquet")
    new = clips.iloc[:1].assign(clip_id="new", label_intended="sideways", speaker="p9")
    split = pd.read_parquet(done[0] / "results/splits/yours/speaker_independent.parquet")

    def labels(clips: pd.DataFrame, **settings: Any) -> str:
        chosen = {"select": {"speaker": ("p0", "p1", "p2", "p3")}, **settings}
        experiment = Experiment(title="x", corpus="yours", cells=[CELLS["yours"]], **{**SMALL, **chosen})
        return data_digests(experiment, clips, split, 0, {}, {})["labels"]

    more = pd.concat([clips, new], ignore_index=True)
    assert labels(more) != labels(clips)
    assert labels(more, classes=("up", "down")) == labels(clips, classes=("up", "down"))
    assert labels(more.assign(corpus="synthetic")) == labels(clips.assign(corpus="synthetic"))  # its card lists them


def test_names_without_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    corpora = {"mydata": {"root": "mine", "shards": 1}}
    tiny_project.make_project(tmp_path / "p", {**CONFIG, "corpora": corpora, "experiments": []}, None)
    monkeypatch.chdir(tmp_path / "p")
    assert main(["scan"]) == 1
    said = capsys.readouterr().err
    assert "unknown corpus 'mydata'; known: crema-d, folder" in said
    assert "a name of your own needs `kind`, such as `mydata: {kind: folder, root: ...}`" in said
    corpora["mydata"]["kind"] = "foldr"
    tiny_project.write_config(tmp_path / "p", {**CONFIG, "corpora": corpora, "experiments": []})
    assert main(["scan"]) == 1
    assert "unknown corpus 'foldr'" in capsys.readouterr().err
    corpora["mydata"] |= {"kind": "folder", "options": {"cvs": "x"}}
    tiny_project.write_config(tmp_path / "p", {**CONFIG, "corpora": corpora, "experiments": []})
    assert main(["scan"]) == 1
    assert "corpora.mydata.options: cvs: unknown key (value 'x'); known: columns, csv" in capsys.readouterr().err


def test_a_target_that_the_table_does_not_have(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_project.copy_project(done[0], tmp_path / "project")
    monkeypatch.chdir(folder)
    experiment = folder / "workflow/experiments/tiny.yaml"
    experiment.write_text(experiment.read_text() + "label_target: visual\n")
    assert "\n".join(map(str, plan_all().experiments["tiny"].problems)) == (
        "workflow/experiments/tiny.yaml: label_target is 'visual', and no clip of mydata has such a label; "
        "label targets that it has: intended"
    )
