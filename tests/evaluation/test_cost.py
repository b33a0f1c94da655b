"""Cost of a row from run.json of its runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from affectstore.evaluation.cost import cost_of
from affectstore.evaluation.runs import Run

OLDER = {"train_s": 6.0, "epochs": 4, "n": {"train": 50, "val": 9, "test": 9}, "infer_ms_per_clip": 2.0}


def run(**facts: Any) -> Run:
    return Run("cell", 0, 0, Path(), facts)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({**OLDER, "train_ms_per_clip": 12.5}, 12.5),
        (OLDER, 30.0),  # 6 s / (4 x 50)
        ({**OLDER, "n": {"train": 50, "unlabelled": 25}}, 20.0),
        ({**OLDER, "baseline": {"name": "linear_svm"}, "epochs": None}, 120.0),
        ({**OLDER, "baseline": {"name": "gradient_boosting"}}, 120.0),
        ({**OLDER, "epochs": None}, math.nan),
        ({**OLDER, "n": {}}, math.nan),
        ({}, math.nan),
    ],
)
def test_training_time_per_clip_is_reported_or_computed(facts: dict[str, Any], expected: float) -> None:
    assert cost_of([run(**facts)]).train_ms == pytest.approx(expected, nan_ok=True)


def test_means_are_over_the_runs_that_report_a_value() -> None:
    cost = cost_of([run(**OLDER, peak_mem_mb=1.0), run(train_ms_per_clip=10.0, peak_mem_mb=3.0), run()])
    assert (cost.train_ms, cost.inference_ms, cost.peak_mem_mb) == (20.0, 2.0, 3.0)
