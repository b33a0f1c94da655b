"""The way from a video file to a row of a table opens few files: those that docs/architecture.md lists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support import clip_trace
from support.python import ROOT

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## From a video to a table row")[1].split("\n## ")[0]
MOST_FILES = 40
#: Modules whose functions receive or return values of clips, and that are not on the way to the row, with the reason.
BESIDE = {
    # They hand all clips, or the whole table, to the next function, and look at no value.
    "affectstore.jobs.score": "writes the metrics that `evaluation.score` returns",
    "affectstore.evaluation.results": "reads the metrics and calls `build_table`",
    "affectstore.evaluation.render.write_tables": "calls one function per file format",
    "affectstore.models.data.fold": "a dataclass that holds the subsets",
    "affectstore.models.train_fold": "loads the subsets that all seeds share",
    # They make something else than the row.
    "affectstore.classification": "chooses the epoch, from the validation subset",
    "affectstore.models.training.optim": "class weights, from all labels",
    "affectstore.models.training.saved_model": "saves mean and standard deviation of the inputs with the network",
    "affectstore.models.training.warm_start": "logits of teachers, which this cell does not have",
    "affectstore.evaluation.encoder_fusion_matrix": "the matrix above the rows",
    "affectstore.evaluation.footnotes": "the footnotes below the rows",
    "affectstore.evaluation.render.bar_figure": "a figure",
    "affectstore.evaluation.render.confusion_figure": "a figure",
    "affectstore.evaluation.render.curve_figure": "a figure",
    "affectstore.evaluation.render.tex": "the TeX table",
    "affectstore.evaluation.render.tidy_table": "the CSV table",
    # Their arrays are no values of clips.
    "affectstore.preflight.hashes": "sizes, times and durations of all files",
    "affectstore.store.index.arrays": "positions, states and time grids of the clips of a shard",
    "affectstore.store.containers.zarr_format": "offsets of chunks in a file",
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return clip_trace.traced(tmp_path_factory.mktemp("trace") / "project")


def as_file(module: str) -> str:
    """File of a module in the repository."""
    path = module.replace(".", "/") + ".py"
    top = module.split(".")[1]
    return path.removeprefix("affectstore/") if top in ("features", "models") else path


def test_a_row_comes_out(trace: dict[str, Any]) -> None:
    assert re.search(r"^\| audio +\| blstm \[net\] ", trace["row"], re.MULTILINE)


def test_few_files_handle_the_values_of_a_clip(trace: dict[str, Any]) -> None:
    way = sorted(set(trace["held"]) - set(BESIDE))
    assert len(way) <= MOST_FILES, way
    assert set(BESIDE) <= set(trace["held"]), "an exception that is none any more"


def test_the_architecture_page_lists_them(trace: dict[str, Any]) -> None:
    listed = re.findall(r"^\d+\. `([\w/.]+)`", SECTION, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {as_file(module) for module in set(trace["held"]) - set(BESIDE)}


def test_the_architecture_page_counts_them(trace: dict[str, Any]) -> None:
    counts = re.search(
        r"(\d+) files have functions that run, (\d+) .* clips,\s+and (\d+) are on the way", SECTION, re.S
    )
    assert counts is not None
    ran, held, way = map(int, counts.groups())
    assert way == len(set(trace["held"]) - set(BESIDE))
    assert held == len(trace["held"])
    assert abs(ran - len(trace["ran"])) <= 5, "versions of the libraries change this a little"


def test_files_named_here_exist() -> None:
    for path in re.findall(r"`((?:affectstore|features|models)/[\w/]+\.py)`", SECTION):
        assert Path(ROOT / path).is_file(), path
