"""Text from the corpus to the table: word times, a tiny BERT, fusion word by word, three modalities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import tiny_models, tiny_project

CONFIG: dict[str, Any] = {
    "corpora": {"synthetic": {"root": "media", "shards": 1, "options": {"clips": 12, "seed": 0}}},
    "features": {
        "audio": {"extractor": "audio"},
        "frames": {"extractor": "frames", "options": {"size_px": 16}},
        "lld": {"extractor": "lld"},
        "transcript": {"extractor": "transcript"},
        "bert": {"extractor": "bert", "options": {"model": "./weights/bert"}},
    },
    "experiments": ["tiny"],
}
EXPERIMENT: dict[str, Any] = {
    **tiny_project.EXPERIMENT,
    "images": {"image_px": 16, "frames": 4, "colour": "grayscale"},
    "sequences": {"pool": {"audio": 8}, "prepend": {"text": "cls"}},
    "encoder_settings": {"blstm": {"encoder_options": {"hidden_dim": 8, "pooling": "cls"}}},
    "cells": [
        {"modalities": ["text"], "encoder": "blstm"},
        {"modalities": ["audio", "text"], "encoder": "blstm", "fusion": "gmu"},
        {"modalities": ["audio", "text"], "encoder": "blstm", "fusion": "word_gmu"},
        {
            "modalities": ["audio", "vision", "text"],
            "encoder": {"audio": "blstm", "vision": "simple3d", "text": "blstm"},
            "fusion": "concat",
            "name": "three",
        },
    ],
}


@pytest.mark.slow
def test_text_reaches_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    tiny_models.tiny_bert(folder / "weights/bert", positions=160)
    tiny_project.make_project(folder, CONFIG, EXPERIMENT)
    seen = tiny_project.run("affectstore", folder, ("tiny",))
    assert seen.returncode == 0, seen.output
    assert seen.cells.keys() == {"blstm-text", "blstm-multimodal-gmu", "blstm-multimodal-word_gmu", "three"}
    page = (folder / "results/tables/tiny.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:]] for line in page.splitlines() if line.startswith("|")]
    shown = [row[:3] for row in rows]
    for row in (
        ["text", "blstm", ""],
        ["audio+text", "blstm", "gmu"],
        ["audio+text", "blstm", "word_gmu"],
        ["audio+vision+text", "blstm+simple3d+blstm [three]", "concat"],
    ):
        assert row in shown
    conditions = {(row[0], row[2], row[3]) for row in rows if row[3].startswith("no_")}
    assert conditions == {
        *(("audio+text", fusion, f"no_{m}") for fusion in ("gmu", "word_gmu") for m in ("audio", "text")),
        *(("audio+vision+text", "concat", f"no_{m}") for m in ("audio", "vision", "text")),
    }
    runs = folder / "results/runs/tiny"
    for cell in seen.cells:
        facts = json.loads((runs / cell / "0/0/run.json").read_text())
        assert facts["skipped"] == {}
        assert sum(facts["n"].values()) == 12
    tested = pd.read_parquet(runs / "blstm-multimodal-word_gmu/0/0/predictions.parquet")
    assert set(tested["condition"]) == {"full", "no_audio", "no_text"}
    wide = tested[tested["subset"] == "test"].pivot(index="clip_id", columns="condition", values="p_ANG")
    for condition in ("no_audio", "no_text"):
        assert (wide["full"] != wide[condition]).any()
    assert "audio+text" in (folder / "results/report.html").read_text()
