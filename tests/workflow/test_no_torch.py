"""Dry runs, runs that find nothing to do, and listings of stores import neither torch nor a library built on it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support import tiny_project
from support.no_torch import run_without_torch

pytestmark = pytest.mark.slow

SNAKEMAKE = ("snakemake", "--snakefile", tiny_project.SNAKEFILE, "--cores", "1")
#: The cells of the built project, and one with a fusion, a grid and training tricks.
CELLS = [
    *tiny_project.EXPERIMENT["cells"],
    {
        "modalities": ["audio", "vision"],
        "encoder": "simple3d",
        "fusion": "probe",
        "name": "new",
        "grid": {"train.learning_rate": [0.1, 0.01]},
        "train": {"tricks": {"mixup": {}, "ogm_ge": {}}, "class_weights": "balanced"},
    },
]


def test_a_run_that_finds_nothing_to_do_needs_no_torch(project: Path, tmp_path: Path) -> None:
    began = time.time()
    targets = ("synthetic", "results/metrics/tiny.parquet")
    for arguments in (("run", "-n", *targets), ("run", "--cores", "1", *targets)):
        done = run_without_torch(tmp_path / "hook", "-m", "affectstore", *arguments, folder=project)
        assert done.returncode == 0, done.stdout + done.stderr
    seen = tiny_project.observe(project, began, 0, "")
    assert not seen.jobs, "jobs ran, which may import torch"
    dry = run_without_torch(tmp_path / "hook", "-m", *SNAKEMAKE, "-n", *tiny_project.TARGETS, folder=project)
    assert dry.returncode == 0, dry.stdout + dry.stderr


def test_a_dry_run_of_new_cells_needs_no_torch(project: Path, tmp_path: Path) -> None:
    experiment = {**tiny_project.EXPERIMENT, "cells": CELLS}
    tiny_project.write_experiment(project, experiment)
    done = run_without_torch(tmp_path / "hook", "-m", "affectstore", "run", "-n", folder=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train tiny: 1 cells x folds (new)" in done.stdout


@pytest.mark.parametrize("arguments", [["ls"], ["show", "synthetic/mel"], ["verify", "synthetic/mel"]])
def test_listings_of_a_store_need_no_torch(built: Path, tmp_path: Path, arguments: list[str]) -> None:
    done = run_without_torch(tmp_path / "hook", "-m", "affectstore", *arguments, folder=built)
    assert done.returncode == 0, done.stdout + done.stderr
