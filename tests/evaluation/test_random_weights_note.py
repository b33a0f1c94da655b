"""Row notes and footnotes of rows whose input features were computed with random weights."""

from __future__ import annotations

import json
from pathlib import Path

from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.render.markdown import markdown
from affectstore.evaluation.render.tex import tex
from affectstore.evaluation.render.tidy_table import tidy_table
from affectstore.evaluation.row_notes import meaning_of
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
BADGE = "input from random weights: vggface"


def test_random_weights_are_noted_in_every_format(runs_dir: Path, experiment, session_card) -> None:
    def table():
        metrics = score("demo", experiment, runs_dir, LABELS, resamples=20)
        return build_table("demo", experiment, session_card, metrics, read_runs("demo", experiment, runs_dir), 5)

    assert not any("random weights:" in note for note in footnotes(table()))
    cell = experiment.cells[0].id
    for path in (runs_dir / "demo" / cell).glob("*/*/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"badges": [BADGE]}))
    built = table()
    assert [row.cell.id for row in built.rows if BADGE in row.notes] == [cell]
    assert footnotes(built)[0] == f"Not a result, {BADGE}: the numbers of {cell} mean nothing."
    assert markdown(built).count(BADGE) == 2
    assert tex(built).count(BADGE) == 2
    rows = tidy_table(built)
    assert set(rows.loc[rows["flags"].str.contains(BADGE), "cell"]) == {cell}
    assert "mean nothing" in meaning_of(BADGE, ["cpu"])
