"""Encoder-fusion matrix: experiments that have one, its entries, and the best entry of a line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectstore.config.experiment import Cell
from affectstore.evaluation.encoder_fusion_matrix import Entry, encoder_fusion_matrices
from affectstore.evaluation.render.markdown import EVERY_ROW, markdown
from affectstore.evaluation.render.report import Section, percent_above_chance, render_report
from affectstore.evaluation.render.tex import tex
from affectstore.evaluation.render.wide_table import matrix_table
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import Row, Summary, Table, build_table
from affectstore.weights.random import BADGE

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
BOTH = ["audio", "vision"]


def a_cell(encoder, fusion: str | None = None, modalities=None, **more) -> dict:
    return {"modalities": modalities or (BOTH if fusion else ["audio"]), "encoder": encoder, "fusion": fusion, **more}


FOUR = [a_cell("mlp", "concat"), a_cell("mlp", "gmu"), a_cell("blstm", "gmu"), a_cell("blstm", "crossmodal")]
ALONE = [a_cell("mlp"), a_cell("blstm"), a_cell("blstm", modalities=["vision"])]


def a_row(cell: dict, uar: float, low: float = 0.0, high: float = 1.0, **more) -> Row:
    values = {"uar": Summary(uar, 0.02, low, high)}
    settings = {
        "cell": Cell(**cell), "modality": Cell(**cell).modality, "n_seeds": 3, "folds": (0,), "n_test": 40,
        "n_clips": 40, "n_speakers": 12, "skipped": {}, "excluded": {}, "values": values, "conditions": {},
        "best": frozenset(), "notes": (), "chosen": {},
    }  # fmt: skip
    return Row(**(settings | more))


def a_table(rows, experiment, card) -> Table:
    return Table("demo", experiment, card, LABELS, tuple(rows), {"uar": 1 / 6, "accuracy": 0.2}, {}, {})


@pytest.fixture
def table_of(experiment, session_card):
    return lambda *rows: a_table(rows, experiment, session_card)


def texts(matrix) -> dict[str, tuple[str, ...]]:
    return {encoder: tuple("" if e is None else e.text for e in entries) for encoder, entries in matrix.lines}


def test_every_number_is_in_the_line_of_its_encoder_and_the_column_of_its_fusion(table_of) -> None:
    rows = [a_row(cell, k / 10) for k, cell in enumerate([*ALONE, *FOUR])]
    (matrix,) = encoder_fusion_matrices(table_of(*rows))
    assert matrix.columns == ("audio", "vision", "concat", "gmu", "crossmodal")
    assert texts(matrix) == {
        "mlp": ("0.0 ± 2.0", "", "30.0 ± 2.0", "40.0 ± 2.0", ""),
        "blstm": ("10.0 ± 2.0", "20.0 ± 2.0", "", "50.0 ± 2.0", "60.0 ± 2.0"),
    }


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (FOUR, 1),
        (FOUR[:3], 0),
        ([a_cell("mlp", "concat"), a_cell("mlp", "gmu")], 0),
        ([a_cell("mlp", "concat"), a_cell("blstm", "concat"), a_cell("resnet18", "concat")], 0),
        ([*FOUR, *(a_cell(c["encoder"], c["fusion"], ["audio", "text"], name=f"t{k}") for k, c in enumerate(FOUR))], 2),
        ([{"modalities": BOTH, "baseline": "linear_svm"}, *ALONE], 0),
    ],
)
def test_only_with_several_encoders_and_several_fusions(table_of, cells, found: int) -> None:
    assert len(encoder_fusion_matrices(table_of(*(a_row(cell, 0.5) for cell in cells)))) == found


def test_sharing_and_names_make_lines_and_columns_of_their_own(table_of) -> None:
    cells = [
        *FOUR,
        a_cell("mlp", "gmu", sharing="shared"),
        a_cell("mlp", None, BOTH, sharing="modality_agnostic"),
        a_cell("mlp", "gmu", name="slow", train={"learning_rate": 1e-5}),
        a_cell("mlp", "film", name="only-called-so"),
        a_cell("mlp", "film", name="twin"),
    ]
    (matrix,) = encoder_fusion_matrices(table_of(*(a_row(cell, k / 10) for k, cell in enumerate(cells))))
    found = texts(matrix)
    assert matrix.fusions == ("concat", "gmu", "crossmodal", "gmu (shared)", "modality_agnostic", "film")
    assert found["mlp"][2:] == ("0.0 ± 2.0", "10.0 ± 2.0", "", "40.0 ± 2.0", "50.0 ± 2.0", "70.0 ± 2.0")
    assert found["mlp [slow]"][2:] == ("", "60.0 ± 2.0", "", "", "", "")
    assert found["mlp [twin]"][2:] == ("", "", "", "", "", "80.0 ± 2.0")


def test_a_modality_alone_is_that_of_its_own_encoder_on_the_same_feature(table_of) -> None:
    mixed = {"audio": "mlp", "vision": "blstm"}
    cells = [*FOUR, a_cell(mixed, "concat"), a_cell("mlp", inputs={"audio": "mfcc"}), ALONE[2]]
    (matrix,) = encoder_fusion_matrices(table_of(*(a_row(cell, k / 10) for k, cell in enumerate(cells))))
    assert texts(matrix)["mlp+blstm"][:2] == ("", "60.0 ± 2.0")
    assert texts(matrix)["mlp"][:2] == ("", "")


def bounds(table_of, *intervals, **more):
    rows = [a_row(cell, (lo + hi) / 2, lo, hi) for cell, (lo, hi) in zip(FOUR, intervals, strict=True)]
    (matrix,) = encoder_fusion_matrices(table_of(*(replace(row, **more) for row in rows)))
    return matrix, [entry.best_of_line for _, entries in matrix.lines for entry in entries if entry is not None]


def test_the_best_entry_lies_above_all_intervals_of_its_line(table_of) -> None:
    matrix, best = bounds(table_of, (0.2, 0.4), (0.5, 0.7), (0.2, 0.45), (0.4, 0.8))
    assert best == [False, True, False, False]  # the last two overlap
    assert "Bold: its 95 % interval" in matrix.footnotes[0]
    assert [line.bold for line in matrix_table(matrix).lines] == [{4}, set()]


def test_no_entry_is_best_where_intervals_touch_or_are_too_narrow(table_of) -> None:
    matrix, best = bounds(table_of, (0.2, 0.4), (0.4, 0.7), (0.3, 0.45), (0.3, 0.8))
    assert not any(best)
    assert "no 95 % interval" in matrix.footnotes[0]
    matrix, best = bounds(table_of, (0.1, 0.2), (0.5, 0.7), (0.1, 0.2), (0.4, 0.8), n_speakers=9)
    assert not any(best)
    assert "too few speakers (9)" in matrix.footnotes[0]
    apart = [(0.1, 0.2), (0.5, 0.7), (0.1, 0.2), (0.4, 0.8)]
    matrix, best = bounds(table_of, *apart, notes=(f"{BADGE}: facenet",))
    assert not any(best)
    assert "the number means nothing" in matrix.footnotes[-1]
    assert texts(matrix)["mlp"][3].endswith("†")
    nan = float("nan")
    assert bounds(table_of, (0.1, 0.2), (nan, nan), (0.1, 0.2), (0.2, 0.8))[1] == [False] * 4


def test_a_single_seed_has_no_deviation_and_nothing_is_made_up() -> None:
    row = a_row(FOUR[0], 0.5)
    assert Entry(replace(row, values={"uar": Summary(0.5, float("nan"), 0.4, 0.6)})).text == "50.0"
    assert Entry(replace(row, values={"uar": Summary(*[float("nan")] * 4)})).text == "undefined"


def test_the_footnotes_name_chance_extent_and_baselines(table_of) -> None:
    svm = [{"modalities": m, "baseline": "linear_svm"} for m in (["audio"], BOTH, ["text"])]
    rows = [a_row(cell, 0.5) for cell in [*FOUR, *svm]]
    (matrix,) = encoder_fusion_matrices(table_of(replace(rows[0], n_clips=39), *rows[1:]))
    assert "3 seeds, 1 fold, 39 to 40 test clips of 12 speakers. Chance: 16.7." in matrix.footnotes[0]
    assert "linear_svm on audio 50.0 ± 2.0, linear_svm on multimodal 50.0 ± 2.0." in matrix.footnotes[2]
    assert len(matrix.footnotes) == 3


@pytest.fixture(scope="module")
def built(tmp_path_factory, session_card):
    from tests.evaluation.conftest import an_experiment, write_runs

    experiment = an_experiment(cells=[*ALONE, *FOUR], seeds=2)
    runs_dir = write_runs(tmp_path_factory.mktemp("matrix"), "demo", experiment)
    metrics = score("demo", experiment, runs_dir, LABELS, resamples=50)
    runs = read_runs("demo", experiment, runs_dir)
    return build_table("demo", experiment, session_card, metrics, runs), metrics, runs, runs_dir


def test_numbers_are_those_of_the_predictions(built) -> None:
    table, _, _, runs_dir = built
    frames = [pd.read_parquet(p) for p in runs_dir.glob("demo/blstm-multimodal-gmu/*/*/predictions.parquet")]
    frame = pd.concat(frames).query("subset == 'test' and condition == 'full'")
    values = []
    for _, one in frame.groupby("seed"):
        guess = np.array(LABELS)[one[[f"p_{label}" for label in LABELS]].to_numpy().argmax(axis=1)]
        hits = pd.Series(guess == one["y"].to_numpy()).groupby(one["y"].to_numpy()).mean()
        values.append(100 * hits.mean())
    (matrix,) = encoder_fusion_matrices(table)
    assert texts(matrix)["blstm"][3] == f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def test_the_page_begins_with_the_matrix_and_has_every_row_too(built) -> None:
    first, rest = markdown(built[0]).split(f"\n{EVERY_ROW}\n")
    lines = [line for line in first.splitlines() if line.startswith("|")]
    assert re.match(r"\| Encoder +\| audio +\| vision +\| concat +\| gmu +\| crossmodal +\|", lines[0])
    assert len(lines) == 2 + 2
    assert {line.count("|") for line in lines} == {7}
    assert "Chance: 16.7" in first
    assert len(re.findall(r"^\| multimodal +\| (?:mlp|blstm) +\| \w+ +\| [\d*]", rest, flags=re.MULTILINE)) == len(FOUR)
    assert tex(built[0]).count(r"\toprule") == 3  # the matrix, every row, other conditions


def test_a_page_without_the_matrix_is_as_before(table_of, built, tree: Path, session_experiment, session_card) -> None:
    metrics = score("demo", session_experiment, tree / "results/runs", LABELS, resamples=20)
    runs = read_runs("demo", session_experiment, tree / "results/runs")
    text = markdown(build_table("demo", session_experiment, session_card, metrics, runs))
    assert EVERY_ROW not in text
    assert len(re.findall(r"^\| Modality .*\| Tested", text, flags=re.MULTILINE)) == 1


def test_the_report_colours_what_lies_above_chance(built) -> None:
    table, _, runs, _ = built
    page = render_report([Section(table, tuple(runs), {})], [], {}, "ab" * 32)
    matrix = page[page.index("Encoders and fusions") : page.index("<h3>Every row</h3>")]
    assert matrix.count("<tr>") == 1 + 2
    assert matrix.count('class="heat') == len(ALONE) + len(FOUR)
    assert matrix.count('class="heat alone"') == len(ALONE)
    assert [percent_above_chance(value, 1 / 6) for value in (0.1, 1 / 6, 0.5, 1.0)] == [0, 0, 40, 100]
    assert percent_above_chance(float("nan"), 0.5) == percent_above_chance(1.0, 1.0) == 0
