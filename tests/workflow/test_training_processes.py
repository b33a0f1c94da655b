"""Threads and processes that a profile assigns to a training job, and the command of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support import tiny_project
from support.python import run_python

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
        "cells": [{"modalities": ["audio"], "encoder": "mlp", "name": "audio-net"}],
    }
    folder = tiny_project.make_project(tmp_path_factory.mktemp("processes") / "project", config, experiment)
    tiny_project.write_audio_clips(folder / "mine", clips=8)
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
    command = ["snakemake", "--snakefile", tiny_project.SNAKEFILE, "--workflow-profile", "profile", "-n", "-p"]
    done = run_python("-m", *command, "--", "results/runs/tiny/audio-net/0/fold.json", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (rendered,) = (line for line in (done.stdout + done.stderr).splitlines() if " train --config " in line)
    _, digest, rest = rendered.partition(" --digest ")
    assert digest
    assert rest.partition(" ")[2].startswith(said)
    assert rendered.endswith("> logs/train/tiny/audio-net/0.log 2>&1")
