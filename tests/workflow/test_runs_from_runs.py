"""Cells that start from or learn from other cells: trained after them, and again when, and only when, those changed."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import tiny_project
from support.tiny_project import facts

STUDENT: dict[str, Any] = {
    "modalities": ["audio", "vision"],
    "encoder": "simple3d",
    "fusion": "distilled_probe",
    "name": "student",
    "teachers": {"audio": "audio-net", "vision": "vision-net"},
    "init_from": {"vision": "vision-net"},
}


def write(project: Path, student: dict[str, Any], **of_audio: Any) -> None:
    experiment = copy.deepcopy(tiny_project.EXPERIMENT)
    experiment["cells"][0] |= of_audio
    experiment["cells"].insert(0, student)  # the order of the file says nothing
    tiny_project.write_experiment(project, experiment)


def trained(project: Path, seen: tiny_project.Observed) -> set[str]:
    assert seen.returncode == 0, seen.output
    return tiny_project.trained_cells(project, seen)


@pytest.mark.slow
def test_students_follow_their_teachers(project: Path) -> None:
    write(project, STUDENT)
    shutil.rmtree(project / "results/runs/tiny/audio-net")
    assert trained(project, tiny_project.run("snakemake", project)) == {"audio-net", "student"}, "in this order"
    run, marker = facts(project, "student"), project / "results/runs/tiny/audio-net/0/fold.json"
    assert run["teachers"]["audio"]["weights"] == json.loads(marker.read_text())["weights"]["0"]
    assert run["teachers"]["audio"]["digests"] == facts(project, "audio-net")["digests"]
    assert run["init_from"] == {"vision": run["teachers"]["vision"]}
    assert run["weights"] == {"audio": "random", "vision": "vision-net's"}
    for door in ("affectstore", "snakemake"):
        assert dict(tiny_project.run(door, project).jobs) == {}

    write(project, STUDENT, train={"learning_rate": 0.5})
    assert trained(project, tiny_project.run("affectstore", project)) == {"audio-net", "student"}
    assert facts(project, "student")["teachers"]["audio"] != run["teachers"]["audio"]
    assert facts(project, "student")["teachers"]["vision"] == run["teachers"]["vision"]

    shutil.rmtree(project / "results/runs/tiny/vision-net/0")  # comes out the same: the student's job finds its weights
    seen = tiny_project.run("snakemake", project)
    assert trained(project, seen) == {"vision-net"}
    assert set(seen.cells) == {"vision-net", "student"}
    assert dict(tiny_project.run("affectstore", project).jobs) == {}
