"""Figures: equal bytes for equal numbers, every row plotted, no external references."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectstore.evaluation.render.bar_figure import bar_figure
from affectstore.evaluation.render.confusion_figure import confusion_figure, total_confusion
from affectstore.evaluation.render.curve_figure import curve_figure
from affectstore.evaluation.render.report import inline_svg
from affectstore.evaluation.render.style import figure_style, save_figure
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import Table, build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


@pytest.fixture(scope="session")
def built(tree: Path, session_experiment, session_card) -> tuple[Table, list]:
    runs_dir = tree / "results" / "runs"
    metrics = score("demo", session_experiment, runs_dir, LABELS, resamples=20)
    runs = read_runs("demo", session_experiment, runs_dir)
    return build_table("demo", session_experiment, session_card, metrics, runs), list(runs)


def texts(figure) -> list[str]:
    import matplotlib.text

    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, built) -> None:
    for folder in ("a", "b"):
        with figure_style():
            save_figure(bar_figure(built[0]), [tmp_path / folder / f"bars.{suffix}" for suffix in ("svg", "png")])
    for suffix in ("svg", "png"):
        assert (tmp_path / "a" / f"bars.{suffix}").read_bytes() == (tmp_path / "b" / f"bars.{suffix}").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a" / "bars.svg").read_bytes()


def test_settings_of_the_user_do_not_matter_and_are_left_alone(built) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        with figure_style():
            assert matplotlib.rcParams["font.size"] == 9
            assert matplotlib.rcParams["axes.facecolor"] == "white"
        assert matplotlib.rcParams["font.size"] == 30


def test_bars_show_every_row_chance_and_people(built) -> None:
    with figure_style():
        figure = bar_figure(built[0])
    for axis in figure.axes:
        assert len(axis.patches) == len(built[0].rows)
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == pytest.approx([100 * row.values["uar"].mean for row in built[0].rows])
    assert figure.axes[0].lines[0].get_xdata()[0] == pytest.approx(100 / 6)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["95 % interval (speakers and seeds)", "chance", "human accuracy"]


def test_no_texts_overlap_in_the_bars(built) -> None:
    with figure_style():
        figure = bar_figure(built[0])
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        labels = figure.axes[0].get_yticklabels() + [t for t in figure.axes[0].texts if t.get_text()]
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in labels]
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert not one.overlaps(other)


def test_counts_of_the_matrices_are_those_of_the_predictions(built, tree: Path) -> None:
    row = built[0].rows[0]
    files = (tree / "results/runs/demo").glob(f"{row.cell.id}/*/*/predictions.parquet")
    frame = pd.concat([pd.read_parquet(path) for path in files]).query("subset == 'test'")
    guess = np.array(LABELS)[frame[[f"p_{label}" for label in LABELS]].to_numpy().argmax(axis=1)]
    expected = pd.crosstab(frame["y"], guess).reindex(index=LABELS, columns=LABELS, fill_value=0)
    np.testing.assert_array_equal(total_confusion(row, LABELS), expected.to_numpy())
    with figure_style():
        shown = texts(confusion_figure(built[0]))
    assert str(int(expected.to_numpy()[0, 0])) in shown


def test_curves_show_every_run_and_mark_its_epoch(built) -> None:
    table, runs = built
    with figure_style():
        figure = curve_figure(table, runs)
    panel = figure.axes[0]
    thin = [line for line in panel.lines if line.get_linewidth() == pytest.approx(0.6)]
    marks = [line for line in panel.lines if line.get_marker() == "o"]
    assert len(thin) == 2 * 6
    assert len(marks) == 6
    assert {tuple(mark.get_xdata()) for mark in marks} == {(3,)}


def test_curves_of_a_cell_without_epochs(built) -> None:
    table, runs = built
    bare = [type(run)(run.cell, run.fold, run.seed, Path("/nowhere"), run.facts) for run in runs]
    with figure_style():
        assert "not trained in epochs" in texts(curve_figure(table, bare))


def test_an_inlined_figure_is_whole_themed_and_alone(tmp_path: Path, built) -> None:
    with figure_style():
        save_figure(bar_figure(built[0]), [svg := tmp_path / "bars.svg"])
    element = inline_svg(svg.read_text(), "demo", 'a "label" & <more>')
    assert ET.fromstring(element).tag.endswith("svg")
    ids = set(re.findall(r'\bid="([^"]+)"', element))
    assert ids
    assert all(name.startswith("demo-") for name in ids)
    used = set(re.findall(r'href="#([^"]+)"', element)) | set(re.findall(r"url\(#([^)]+)\)", element))
    assert used <= ids
    assert "var(--ink)" in element
    assert "#1d2127" not in element
    assert 'aria-label="a &quot;label&quot; &amp; &lt;more>"' in element
