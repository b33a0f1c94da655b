"""What a profile gives a training job, and the command that it becomes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small_crema_d
import tiny_project
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training_processes")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {
        "corpora": {"mydata": {"kind": "folder", "root": "mine", "shards": 1}},
        "features": {"audio": {"extractor": "audio"}, "mel": {"extractor": "mel"}},
        "experiments": ["tiny"],
    }
    experiment = {
        **tiny_project.EXPERIMENT,
        "corpus": "mydata",
        "inputs": {"audio": {"sequence": "mel"}},
        "cells": [{"modalities": ["audio"], "encoder": "mlp", "name": "sound"}],
    }
    folder = tiny_project.make_project(tmp_path_factory.mktemp("processes") / "project", config, experiment)
    rows = ["path,label,speaker"]
    (folder / "mine").mkdir()
    for number in range(8):
        (folder / "mine" / f"{number}.wav").write_bytes(small_crema_d.sound(200 + 20 * number))
        rows.append(f"{number}.wav,{('calm', 'tense')[number % 2]},s{number // 2}")
    (folder / "mine" / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize(
    ("given", "threads", "said"),
    [
        ({}, None, "--threads 1 --processes 1 >"),
        ({"gpu": 1}, 4, "--threads 4 --processes 1 >"),
        ({"gpu": 2}, None, "--threads 1 --processes 2 >"),
        ({"gpu": 3}, 8, "--threads 2 --processes 3 >"),
        ({"gpu": 0, "processes": 2}, 8, "--threads 4 --processes 2 >"),
    ],
)
def test_several_processes_are_the_profiles_business(
    given: dict[str, int], threads: int | None, said: str, folder: Path
) -> None:
    profile: dict[str, Any] = {"cores": 8, "nolock": True, "resources": ["gpu=3"]}
    profile |= {"set-resources": {"train": given}} if given else {}
    profile |= {"set-threads": {"train": threads}} if threads else {}
    (folder / "profile").mkdir(exist_ok=True)
    (folder / "profile" / "config.yaml").write_text(yaml.safe_dump(profile))
    snakefile = str(tiny_project.ROOT / "workflow/Snakefile")
    command = ["snakemake", "--snakefile", snakefile, "--workflow-profile", "profile", "-n", "-p"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--", "results/runs/tiny/sound/0/fold.json"],
        cwd=folder,
        env=tiny_project.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (rendered,) = (line for line in (done.stdout + done.stderr).splitlines() if " train --config " in line)
    _, digest, rest = rendered.partition(" --digest ")
    assert digest
    assert rest.partition(" ")[2].startswith(said)
    assert rendered.endswith("> logs/train/tiny/sound/0.log 2>&1")
