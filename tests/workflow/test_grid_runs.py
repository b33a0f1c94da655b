"""A cell with a grid: a new value trains its own trials, and cells that start from it take the chosen one."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from support import tiny_project
from support.tiny_project import facts


def write(project: Path, rates: list[float]) -> None:
    experiment = copy.deepcopy(tiny_project.EXPERIMENT)
    experiment["cells"][0]["grid"] = {"train.learning_rate": rates}
    student = {"modalities": ["audio"], "encoder": "simple3d", "name": "student", "init_from": {"audio": "audio-net"}}
    experiment["cells"] = [experiment["cells"][0], student]
    tiny_project.write_experiment(project, experiment)


def log(project: Path) -> str:
    return (project / "logs/train/tiny/audio-net/0.log").read_text()


@pytest.mark.slow
def test_a_new_value_trains_its_own_trials_alone(project: Path) -> None:
    write(project, [1e-2, 1e-5])
    seen = tiny_project.run("affectstore", project)
    assert seen.returncode == 0, seen.output
    assert set(seen.cells) == {"audio-net", "student"}
    marker = json.loads((project / "results/runs/tiny/audio-net/0/fold.json").read_text())
    assert facts(project, "student")["init_from"]["audio"]["weights"] == marker["weights"]["0"]
    assert facts(project, "audio-net")["grid"]["tried"] == 2
    for door in ("affectstore", "snakemake"):
        assert dict(tiny_project.run(door, project).jobs) == {}

    write(project, [1e-2, 1e-4, 1e-5])
    seen = tiny_project.run("snakemake", project)
    assert seen.returncode == 0, seen.output
    assert "2 of 3 trials of the grid reused" in log(project)
    assert log(project).count("validation loss") == 2  # the new one's, and that of the choice
    assert facts(project, "audio-net")["grid"]["tried"] == 3
    assert dict(tiny_project.run("affectstore", project).jobs) == {}
