"""Every file of benchmarks/ gives its lines: at a size that says nothing about speed, but runs every statement."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))
SMALL: dict[str, dict[str, Any]] = {
    "bench_cores": {"clips": 2, "shards": 1, "features": ("audio",)},
    "bench_extract": {"clips": 2, "rounds": 1},
    "bench_faces": {"clips": 2, "rounds": 1},
    "bench_gpu": {
        "clips": 2,
        "rounds": 1,
        "repeats": 2,
        "accelerator": "cpu",
        "settings": {
            "title": "one step",
            "corpus": "synthetic",
            "images": {"image_px": 32, "frames": 4},
            "train": {"batch_size": 4, "epochs": 1},
            "cells": [{"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "horizontal"}],
        },
    },
    "bench_networks": {"clips": 1, "rounds": 1},
    "bench_plan": {"clips": 250, "shards": 1, "rounds": 1, "planned_clips": 500, "planned_shards": 10},
    "bench_size": {"clips": 2},
    "bench_store": {"clips": 32, "reads": 20, "rounds": 1},
    "bench_train": {"clips": 2, "rounds": 1, "repeats": 2},
}


@pytest.fixture(autouse=True)
def _drawn_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delenv("AFFECTSTORE_DATA", raising=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_lines_of_a_benchmark(name: str) -> None:
    lines = list(importlib.import_module(f"benchmarks.{name}").lines(**SMALL[name]))
    assert lines
    budgets = [line for line in lines if line.budget]
    assert budgets
    assert all(line.holds is not None for line in budgets)
    assert len({line.what for line in lines}) >= len(budgets)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: `make bench` measures it")
def test_without_a_gpu_its_lines_say_so() -> None:
    lines = list(importlib.import_module("benchmarks.bench_gpu").lines())
    assert len(lines) == 8
    assert {(line.ours, line.ratio, line.budget) for line in lines} == {("not measured", "", "")}


def test_a_ratio_is_taken_within_a_round() -> None:
    timing = importlib.import_module("benchmarks.timing")
    rounds = timing.Rounds()
    for ours, bare in ((2.0, 1.0), (30.0, 10.0), (4.0, 2.0)):  # the machine was busy in the second round
        rounds.add("ours", ours)
        rounds.add("bare", bare)
    assert rounds.ratio(["ours"], ["bare"]) == 2.0
    assert rounds.median("ours") == 4.0
    assert rounds.median("ours", "bare") == 6.0


@pytest.mark.parametrize(
    ("kind", "ratio", "holds"),
    [("at_most", 1.3, True), ("at_most", 1.31, False), ("at_least", 1.3, True), ("at_least", 1.29, False)],
)
def test_a_budget_holds_up_to_its_border(kind: str, ratio: float, holds: bool) -> None:
    line = getattr(importlib.import_module("benchmarks.line"), kind)("x", "", "", ratio, 1.3)
    assert line.holds is holds


def test_an_unknown_benchmark_is_named() -> None:
    with pytest.raises(SystemExit, match=r"stroe.*known: .*store"):
        importlib.import_module("benchmarks.run").main(["stroe"])


def test_the_table_shows_a_missed_budget(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run, line = importlib.import_module("benchmarks.run"), importlib.import_module("benchmarks.line")
    fake = type(sys)("benchmarks.bench_store")
    fake.lines = lambda: iter([line.at_least("reads", "1", "2", 0.5, 0.9)])
    monkeypatch.setitem(sys.modules, "benchmarks.bench_store", fake)
    run.main(["store"])
    assert "| reads | 1 | 2 | 0.50 | >= 0.9 | **no** |" in capsys.readouterr().out
