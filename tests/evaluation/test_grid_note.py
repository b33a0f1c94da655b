"""Row notes and footnotes of rows whose options were chosen from a grid."""

from __future__ import annotations

import json
from pathlib import Path

from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.render.markdown import markdown
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def test_footnotes_list_the_choice_of_each_fold(runs_dir: Path, experiment, session_card) -> None:
    def table():
        metrics = score("demo", experiment, runs_dir, LABELS, resamples=20)
        return build_table("demo", experiment, session_card, metrics, read_runs("demo", experiment, runs_dir), 5)

    assert not any(note.startswith("Chosen") for note in footnotes(table()))
    cell, other = (one.id for one in experiment.cells[:2])
    for name, rates in ((cell, {"0": 0.01, "1": 0.1}), (other, {"0": 0.1, "1": 0.1})):
        for path in (runs_dir / "demo" / name).glob("*/*/run.json"):
            chosen = {"train.epochs": 3, "train.learning_rate": rates[path.parts[-3]]}
            grid = {"chosen": chosen, "tried": 6, "monitor": "uar", "score": 0.5}
            path.write_text(json.dumps(json.loads(path.read_text()) | {"grid": grid}))
    built = table()
    assert [row.cell.id for row in built.rows if "grid of 6" in row.notes] == [cell, other]
    found = [note for note in footnotes(built) if note.startswith("Chosen")]
    low, high = (f"train.epochs 3, train.learning_rate {rate} (of 6, by validation uar)" for rate in (0.01, 0.1))
    assert found == [
        f"Chosen for {cell}: {low} in fold 0; {high} in fold 1.",
        f"Chosen for {other}: {high} in folds 0, 1.",
    ]
    assert f"- {found[1]}" in markdown(built)
