"""Footnotes about modality-agnostic rows, which count each modality of a clip."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import Table, build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


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


def build(experiment, runs_dir: Path, card) -> Table:
    metrics = score("demo", experiment, runs_dir, LABELS, resamples=20)
    return build_table("demo", experiment, card, metrics, read_runs("demo", experiment, runs_dir), 5)
