"""Report page: self-contained, complete, and every text escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from affectstore.evaluation.overview import CorpusOverview, FeatureOverview
from affectstore.evaluation.render.report import Section, format_duration, format_number, render_report
from affectstore.evaluation.runs import read_runs
from affectstore.evaluation.score import score
from affectstore.evaluation.table import build_table

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Nesting(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        for name, value in attributes:
            if name in {"src", "href", "xlink:href", "action"}:
                self.references.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def page(tree: Path, session_experiment, session_card) -> str:
    runs_dir = tree / "results" / "runs"
    metrics = score("demo", session_experiment, runs_dir, LABELS, resamples=20)
    runs = read_runs("demo", session_experiment, runs_dir)
    table = build_table("demo", session_experiment, session_card, metrics, runs)
    svg = '<?xml version="1.0"?><svg width="9pt" height="9pt" viewBox="0 0 9 9"><g id="a" style="fill: #1d2127"/></svg>'
    features = (
        FeatureOverview("faces", 4, {"ok": 94, "failed": 2}, {"no face": 2}, 6400, 82_000_000, "ab12"),
        FeatureOverview("mel", 4, {"ok": 96}, {}, 12000, 6_000_000, "cd34"),
    )
    corpus = CorpusOverview(session_card, 96, 8, {"ANG": 16}, {"truncated": 2}, features)
    figures = dict.fromkeys(("bars", "confusion", "curves"), svg)
    return render_report([Section(table, runs, figures)], [corpus], {"later": "not run"}, "ab" * 32)


def test_the_page_is_well_formed_and_refers_to_itself_alone(page: str) -> None:
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    assert parser.references
    assert all(reference.startswith("#") for reference in parser.references)
    assert len(parser.ids) == len(set(parser.ids))
    assert {reference[1:] for reference in parser.references} <= set(parser.ids)
    assert not re.search(r"https?://|@import|//cdn", re.sub(r"<dd>.*?</dd>", "", page))


def test_the_page_escapes_texts(page: str) -> None:
    assert "Faces &amp; voices &lt;made up&gt;" in page
    assert "<made up>" not in page


@pytest.mark.parametrize(
    "text",
    [
        "Skipped: 3 clips (no face: 2; no audio stream: 1).",
        "no face (2)",
        "Nobody (2026)",
        "Not shown: later (not run)",
        "epochs&lt;=4",
        "11,180,103",
        "2.14.1",
        "cdcdcdcdcdcd",
        "results/runs/demo/resnet18-audio",
        "no_vision",
        "prefers-color-scheme: dark",
    ],
)
def test_the_page_has(page: str, text: str) -> None:
    assert text in page


def test_the_same_results_give_the_same_page(page: str, tree: Path) -> None:
    assert "generated" not in page.lower()
    assert str(tree) not in page


def test_durations_and_numbers() -> None:
    assert [format_duration(s) for s in (3.21, 600, 7200)] == ["3.2 s", "10.0 min", "2.0 h"]
    assert [format_number(None), format_number(float("nan")), format_number(11173318)] == ["–", "–", "11,173,318"]
