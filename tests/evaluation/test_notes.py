"""Row notes and footnotes of random weights, grids and modality-agnostic rows."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.render.markdown import markdown
from affectstore.evaluation.render.tex import tex
from affectstore.evaluation.render.tidy_table import tidy_table
from affectstore.evaluation.row_notes import meaning_of
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import Table, build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
BADGE = "input from random weights: vggface"


def build(experiment, runs_dir: Path, card) -> Table:
    metrics = score("demo", experiment, runs_dir, LABELS, resamples=20)
    return build_table("demo", experiment, card, metrics, read_runs("demo", experiment, runs_dir), 5)


def test_random_weights_are_noted_in_every_format(runs_dir: Path, experiment, session_card) -> None:
    assert not any("random weights:" in note for note in footnotes(build(experiment, runs_dir, session_card)))
    cell = experiment.cells[0].id
    for path in (runs_dir / "demo" / cell).glob("*/*/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"badges": [BADGE]}))
    built = build(experiment, runs_dir, session_card)
    assert [row.cell.id for row in built.rows if BADGE in row.notes] == [cell]
    assert footnotes(built)[0] == f"Not a result, {BADGE}: the numbers of {cell} mean nothing."
    assert markdown(built).count(BADGE) == 2
    assert tex(built).count(BADGE) == 2
    rows = tidy_table(built)
    assert set(rows.loc[rows["flags"].str.contains(BADGE), "cell"]) == {cell}
    assert "mean nothing" in meaning_of(BADGE, ["cpu"])


def test_footnotes_list_the_choice_of_each_fold(runs_dir: Path, experiment, session_card) -> None:
    assert not any(note.startswith("Chosen") for note in footnotes(build(experiment, runs_dir, session_card)))
    cell, other = (one.id for one in experiment.cells[:2])
    for name, rates in ((cell, {"0": 0.01, "1": 0.1}), (other, {"0": 0.1, "1": 0.1})):
        for path in (runs_dir / "demo" / name).glob("*/*/run.json"):
            chosen = {"train.epochs": 3, "train.learning_rate": rates[path.parts[-3]]}
            grid = {"chosen": chosen, "tried": 6, "monitor": "uar", "score": 0.5}
            path.write_text(json.dumps(json.loads(path.read_text()) | {"grid": grid}))
    built = build(experiment, runs_dir, session_card)
    assert [row.cell.id for row in built.rows if "grid of 6" in row.notes] == [cell, other]
    found = [note for note in footnotes(built) if note.startswith("Chosen")]
    low, high = (f"train.epochs 3, train.learning_rate {rate} (of 6, by validation uar)" for rate in (0.01, 0.1))
    assert found == [
        f"Chosen for {cell}: {low} in fold 0; {high} in fold 1.",
        f"Chosen for {other}: {high} in folds 0, 1.",
    ]
    assert f"- {found[1]}" in markdown(built)


def test_every_modality_of_a_clip_is_counted(runs_dir: Path, experiment, session_card) -> None:
    last = experiment.cells[-1]
    agnostic = last.model_copy(update={"fusion": None, "sharing": "modality_agnostic", "name": last.id})
    asked = experiment.model_copy(update={"cells": (*experiment.cells[:-1], agnostic)})

    assert not any("one modality each" in note for note in footnotes(build(experiment, runs_dir, session_card)))
    for path in (runs_dir / "demo" / last.id).glob("*/*/predictions.parquet"):
        frame = pd.read_parquet(path)
        audio = frame.assign(modality="audio", instance_id=frame["clip_id"] + ":audio")
        vision = frame.assign(modality="vision", instance_id=frame["clip_id"] + ":vision", audio_clip_id=None)
        pd.concat([audio, vision], ignore_index=True).to_parquet(path, index=False)
    table = build(asked, runs_dir, session_card)
    (row,) = (row for row in table.rows if row.cell.sharing == "modality_agnostic")
    assert (row.fusion_label, row.n_test) == ("modality_agnostic", 2 * row.n_clips)
    found = footnotes(table)
    assert any(f"({row.n_test} predictions per seed: each modality by itself)" in note for note in found)
    assert any("one modality each" in note for note in found)
    assert not any("not all tested on the same clips" in note for note in found)
