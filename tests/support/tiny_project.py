"""A tiny project in a folder of its own: twelve synthetic clips, five features, two cells; and commands that run it."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support import small_crema_d, training
from support.python import ROOT, run_python

CONFIG: dict[str, Any] = {
    "corpora": {"synthetic": {"root": "media", "shards": 2, "options": {"clips": 12, "seed": 0}}},
    "features": {
        "audio": {"extractor": "audio"},
        "frames": {"extractor": "frames", "options": {"size_px": 32}},
        "mel": {"extractor": "mel"},
        "mel_image": {"extractor": "mel_image"},
        "mel_chunks": {"extractor": "mel_chunks"},
    },
    "experiments": ["tiny"],
}

EXPERIMENT: dict[str, Any] = {
    "title": "tiny",
    "corpus": "synthetic",
    "folds": [0],
    "seeds": 1,
    "images": {"image_px": 32, "frames": 4, "colour": "grayscale"},
    "train": {"epochs": 1, "batch_size": 4},
    "cells": [
        {"modalities": ["audio"], "encoder": "simple3d", "name": "audio-net"},
        {"modalities": ["vision"], "encoder": "simple3d", "name": "vision-net"},
    ],
}

#: Targets of a run by `affectstore` and by `snakemake`.
TARGETS = ("store", "results/metrics/tiny.parquet")
SNAKEFILE = str(ROOT / "workflow/Snakefile")


@dataclass(frozen=True)
class Observed:
    """A finished run, by its output and the files that it left.

    Attributes:
        returncode: Exit status.
        output: Output and errors.
        jobs: Number of jobs by verb ("extract", "commit", "split", "train", "score").
        features: Number of extraction jobs by feature.
        cells: Number of training jobs by cell.
        computed: Number of computed clips by feature, over all extraction jobs.
        reused: Number of reused clips by feature.
        seconds: Wall time.
    """

    returncode: int
    output: str
    jobs: Counter[str]
    features: Counter[str]
    cells: Counter[str]
    computed: Counter[str]
    reused: Counter[str]
    seconds: float


def make_project(folder: Path, config: dict[str, Any] = CONFIG, experiment: dict[str, Any] | None = EXPERIMENT) -> Path:
    """Write config.yaml and the experiment into `folder`, and run nothing."""
    (folder / "workflow" / "experiments").mkdir(parents=True)
    write_config(folder, config)
    if experiment is not None:
        write_experiment(folder, experiment)
    return folder


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write config.yaml."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def write_experiment(folder: Path, experiment: dict[str, Any]) -> None:
    """Write the experiment."""
    (folder / "workflow" / "experiments" / "tiny.yaml").write_text(yaml.safe_dump(experiment))


def write_audio_clips(folder: Path, clips: int, seconds: float = 0.1) -> None:
    """Write clips of two labels and two per speaker with their table, for a corpus of kind `folder`."""
    folder.mkdir()
    rows = ["path,label,speaker"]
    for number in range(clips):
        (folder / f"{number}.wav").write_bytes(small_crema_d.sound(200 + 20 * number, seconds))
        rows.append(f"{number}.wav,{('calm', 'tense')[number % 2]},s{number // 2}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")


def copy_project(source: Path, target: Path) -> Path:
    """Copy a project with all that was built in it; times are kept."""
    shutil.copytree(source, target, symlinks=True)
    return target


def command(door: str, targets: tuple[str, ...] = TARGETS) -> list[str]:
    """Arguments of Python that build targets with "affectstore" or "snakemake"."""
    if door == "snakemake":
        return ["-m", "snakemake", "--snakefile", SNAKEFILE, "--cores", "2", "--", *targets]
    named = ["synthetic" if target == "store" else target for target in targets]
    return ["-m", "affectstore", "run", "--cores", "2", *named]


def run(door: str, folder: Path, targets: tuple[str, ...] = TARGETS, **variables: str) -> Observed:
    """Build targets in `folder` and observe the run."""
    time.sleep(0.02)  # so that every file it writes is newer than now
    began = time.time()
    done = run_python(*command(door, targets), folder=folder, **variables)
    return observe(folder, began, done.returncode, done.stdout + done.stderr)


def observe(folder: Path, began: float, returncode: int, output: str) -> Observed:
    """Read the files that runs in `folder` have left since `began`."""
    logs = [path for path in (folder / "logs").rglob("*.log") if path.stat().st_mtime >= began]
    parts = [path.relative_to(folder / "logs").with_suffix("").parts for path in logs]
    computed: Counter[str] = Counter()
    reused: Counter[str] = Counter()
    for path in (folder / "results" / "store").glob("*/*/shards/*.stats"):
        if path.stat().st_mtime >= began:
            stats = json.loads(path.read_text())
            computed[path.parts[-3]] += stats["computed"]
            reused[path.parts[-3]] += stats["reused"]
    return Observed(
        returncode,
        output,
        Counter(part[0] for part in parts),
        Counter(part[2] for part in parts if part[0] == "extract"),
        Counter(part[2] for part in parts if part[0] == "train"),
        +computed,
        +reused,
        time.time() - began,
    )


def trained_cells(folder: Path, observed: Observed) -> set[str]:
    """Cells of which a seed was trained; a job that found its weights there does not count."""
    logs = {cell: (folder / f"logs/train/tiny/{cell}/0.log").read_text() for cell in observed.cells}
    return {cell for cell, log in logs.items() if "reused" not in log}


def facts(folder: Path, cell: str) -> dict[str, Any]:
    """Read the facts of a cell's first run."""
    return training.facts(folder / f"results/runs/tiny/{cell}/0/0")
