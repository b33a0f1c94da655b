"""Verbs score, tabulate and report, in a folder with a results tree."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from affectstore.cli.main import main
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved

FIGURES = [f"results/figures/demo-{k}.{s}" for k in ("bars", "confusion", "curves") for s in ("svg", "png")]


@pytest.fixture
def config(make_experiment, make_runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    cells = [
        {"modalities": ["audio"], "encoder": "resnet18"},
        {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"},
    ]
    experiment = make_experiment(seeds=2, cells=cells)
    runs_dir = make_runs(tmp_path, "demo", experiment, 48)
    monkeypatch.chdir(tmp_path)
    for cell in experiment.cells:
        for fold in (0, 1):
            (runs_dir / "demo" / cell.id / str(fold) / "fold.json").write_text(json.dumps({"cell": cell.id}))
    Path("results/manifests").mkdir()
    Path("results/manifests/synthetic.skipped.tsv").write_text('clip_id\tpath\treason\nx\tx "a.mp4\ttruncated\n')
    Path("results/splits/synthetic").mkdir(parents=True)
    pd.DataFrame({"fold": [0, 1, 2, 3]}).to_parquet("results/splits/synthetic/speaker_independent.parquet")
    settings = Config(corpora={"synthetic": {"root": "media", "shards": 4}}, features={}, experiments=("demo", "later"))
    resolved = Resolved(settings, {"demo": experiment, "later": experiment}, {"synthetic": "media"}, {})
    Path("config.json").write_text(resolved.text)
    return "config.json"


def test_from_predictions_to_the_page(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("score", "tabulate"):
        assert main([verb, "--config", config, "--experiment", "demo"]) == 0
    table = capsys.readouterr().out
    assert "| multimodal | simple3d | time" in table
    assert "Skipped when the corpus was scanned: 1 file (truncated: 1)." in table
    assert "folds 2/4" in table
    for path in ["results/metrics/demo.parquet", "results/metrics/demo.json", *FIGURES]:
        assert Path(path).stat().st_size > 0
    assert {path.suffix for path in Path("results/tables").iterdir()} == {".csv", ".md", ".tex"}
    assert main(["report", "--config", config]) == 0
    page = Path("results/report.html").read_text()
    assert "demo" in page
    assert "Not shown: later (" in page
    first = Path("results/metrics/demo.parquet").read_bytes()
    assert main(["score", "--config", config, "--experiment", "demo"]) == 0
    assert Path("results/metrics/demo.parquet").read_bytes() == first

    # runs that were trained again are not shown under their old scores
    marker = Path("results/runs/demo/resnet18-audio/0/fold.json")
    marker.write_text(json.dumps({"cell": "trained again"}))
    assert main(["report", "--config", config]) == 0
    assert "Not shown: demo (the runs of demo have changed" in Path("results/report.html").read_text()
    assert main(["report", "--config", config, "--experiment", "demo"]) == 1
    assert "have changed since they were scored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "--experiment", "dmo"], "unknown experiment .*Did you mean 'demo'"),
        (["score", "--experiment", "later"], "missing"),
        (["tabulate", "--experiment", "demo"], "results/metrics/demo.parquet is missing"),
    ],
)
def test_errors_name_the_cause(
    config: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    import re

    assert main([*arguments, "--config", config]) == 1
    assert re.search(message, capsys.readouterr().err)
