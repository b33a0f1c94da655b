"""Cells that start from or learn from other cells: trained after them, and again when, and only when, those changed."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_project
import yaml

STUDENT: dict[str, Any] = {
    "modalities": ["audio", "vision"],
    "encoder": "simple3d",
    "fusion": "distilled_probe",
    "name": "student",
    "teachers": {"audio": "sound", "vision": "picture"},
    "init_from": {"vision": "picture"},
}


def write(project: Path, student: dict[str, Any], **of_sound: Any) -> None:
    experiment = copy.deepcopy(tiny_project.EXPERIMENT)
    experiment["cells"][0] |= of_sound
    experiment["cells"].insert(0, student)  # the order of the file says nothing
    (project / "workflow" / "experiments" / "tiny.yaml").write_text(yaml.safe_dump(experiment))


def trained(project: Path, seen: tiny_project.Observed) -> set[str]:
    """Cells of which a seed was trained; a job that found its weights there does not count."""
    assert seen.returncode == 0, seen.output
    return {cell for cell in seen.cells if "reused" not in (project / f"logs/train/tiny/{cell}/0.log").read_text()}


def facts(project: Path, cell: str) -> dict[str, Any]:
    return json.loads((project / f"results/runs/tiny/{cell}/0/0/run.json").read_text())


@pytest.mark.slow
def test_students_follow_their_teachers(project: Path) -> None:
    write(project, STUDENT)
    shutil.rmtree(project / "results/runs/tiny/sound")
    assert trained(project, tiny_project.run("snakemake", project)) == {"sound", "student"}, "in this order"
    run, marker = facts(project, "student"), project / "results/runs/tiny/sound/0/fold.json"
    assert run["teachers"]["audio"]["weights"] == json.loads(marker.read_text())["weights"]["0"]
    assert run["teachers"]["audio"]["digests"] == facts(project, "sound")["digests"]
    assert run["init_from"] == {"vision": run["teachers"]["vision"]}
    assert run["weights"] == {"audio": "random", "vision": "picture's"}
    for door in ("affectstore", "snakemake"):
        assert dict(tiny_project.run(door, project).jobs) == {}

    write(project, STUDENT, train={"learning_rate": 0.5})
    assert trained(project, tiny_project.run("affectstore", project)) == {"sound", "student"}
    assert facts(project, "student")["teachers"]["audio"] != run["teachers"]["audio"]
    assert facts(project, "student")["teachers"]["vision"] == run["teachers"]["vision"]

    shutil.rmtree(project / "results/runs/tiny/picture/0")  # comes out the same: the student's job finds its weights
    seen = tiny_project.run("snakemake", project)
    assert trained(project, seen) == {"picture"}
    assert set(seen.cells) == {"picture", "student"}
    assert dict(tiny_project.run("affectstore", project).jobs) == {}
