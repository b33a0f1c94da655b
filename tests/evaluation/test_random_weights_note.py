"""Rows whose input features had random weights are flagged, and the table says so under it."""

from __future__ import annotations

import json
from pathlib import Path

from affectstore.evaluation.flags import meaning_of
from affectstore.evaluation.long_table import long_table
from affectstore.evaluation.markdown import markdown
from affectstore.evaluation.notes import notes
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import build_table
from affectstore.evaluation.tex import tex

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
BADGE = "input from random weights: vggface"


def test_a_table_that_used_random_weights_says_so_in_every_format(runs_dir: Path, experiment, session_card) -> None:
    def table():
        metrics = score("demo", experiment, runs_dir, LABELS, draws=20)
        return build_table("demo", experiment, session_card, metrics, read_runs("demo", experiment, runs_dir), 5)

    assert not any("random weights:" in note for note in notes(table()))
    cell = experiment.cells[0].id
    for path in (runs_dir / "demo" / cell).glob("*/*/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"badges": [BADGE]}))
    built = table()
    assert [row.cell.id for row in built.rows if BADGE in row.flags] == [cell]
    assert notes(built)[0] == f"Not a result, {BADGE}: the numbers of {cell} mean nothing."
    assert markdown(built).count(BADGE) == 2
    assert tex(built).count(BADGE) == 2
    flagged = long_table(built)
    assert set(flagged.loc[flagged["flags"].str.contains(BADGE), "cell"]) == {cell}
    assert "mean nothing" in meaning_of(BADGE, ["cpu"])
