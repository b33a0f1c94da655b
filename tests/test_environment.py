"""environment.yml, pyproject.toml and constraints.txt agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FIXED = {
    *("snakemake", "ffmpeg-python", "librosa", "opensmile", "facenet-pytorch"),
    *("h5py", "zarr", "numpy", "torch", "transformers"),
}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().replace("_", "-").split("==") for line in lines if line and not line.startswith("#"))


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(r for part in extras.values() for r in part)]]


def test_conda_installs_what_make_installs() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    make = re.search(r"--editable '\.\[([a-z,]+)\]'", (ROOT / "Makefile").read_text())
    assert make is not None
    assert f"--editable .[{make[1]}]" in pip
    assert "--constraint constraints.txt" in pip
    assert set(make[1].split(",")) <= set(PROJECT["optional-dependencies"])
    assert (ROOT / "Makefile").read_text().count("pip install") == 1, "what no extra names is not installed by conda"


def test_constraints_allow_every_requirement() -> None:
    pinned = constraints()
    for requirement in requirements():
        name = requirement.name.lower().replace("_", "-")
        if name == "snakemake-executor-plugin-slurm":
            continue  # its own extra: merely installed, it makes every import of snakemake ask the scheduler
        assert name in pinned, f"{name} is not pinned"
        assert requirement.specifier.contains(pinned[name]), f"{requirement} against {pinned[name]}"


def test_the_fixed_packages_are_there() -> None:
    assert {*constraints()} >= FIXED


def test_python_versions_agree() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(e for e in environment["dependencies"] if isinstance(e, str) and e.startswith("python"))
    assert PROJECT["requires-python"].lstrip(">=") in python


def test_nothing_names_a_registry_or_a_machine() -> None:
    for path in ("constraints.txt", "pyproject.toml", "environment.yml", "Makefile", "config.yaml"):
        text = (ROOT / path).read_text()
        assert not re.search(r"--(extra-)?index|--find|file://|/home/|/root/", text), path
