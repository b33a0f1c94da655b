"""A tiny project in a folder of its own: twelve drawn clips, five features, one cell; and its two doors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

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
        {"modalities": ["audio"], "encoder": "simple3d", "name": "sound"},
        {"modalities": ["vision"], "encoder": "simple3d", "name": "picture"},
    ],
}

#: What both doors are asked for.
TARGETS = ("store", "results/metrics/tiny.parquet")


@dataclass(frozen=True)
class Observed:
    """What a run did, as the files it left say.

    Attributes:
        jobs: jobs by verb ("extract", "commit", "split", "train", "score").
        features: extraction jobs by feature.
        cells: training jobs by cell.
        computed, reused: clips, over all extraction jobs.
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
    """Write config.yaml and the experiment into `folder`; nothing is run."""
    (folder / "workflow" / "experiments").mkdir(parents=True)
    write_config(folder, config)
    if experiment is not None:
        (folder / "workflow" / "experiments" / "tiny.yaml").write_text(yaml.safe_dump(experiment))
    return folder


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write config.yaml."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def copy_project(source: Path, target: Path) -> Path:
    """Copy a project with all that was built in it; times are kept."""
    shutil.copytree(source, target, symlinks=True)
    return target


def environment(**extra: str) -> dict[str, str]:
    """The environment of a run."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **extra}


def command(door: str, targets: tuple[str, ...] = TARGETS) -> list[str]:
    """The command line of a door, "affectstore" or "snakemake"."""
    if door == "snakemake":
        return [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "workflow/Snakefile"),
            "--cores",
            "2",
            "--",
            *targets,
        ]
    named = ["synthetic" if target == "store" else target for target in targets]
    return [sys.executable, "-m", "affectstore", "run", "--cores", "2", *named]


def run(door: str, folder: Path, targets: tuple[str, ...] = TARGETS, **extra: str) -> Observed:
    """Run a door in `folder` to its end and see what it did."""
    time.sleep(0.02)  # so that every file it writes is newer than now
    began = time.time()
    done = subprocess.run(
        command(door, targets), cwd=folder, env=environment(**extra), capture_output=True, text=True, timeout=300
    )
    return observe(folder, began, done.returncode, done.stdout + done.stderr)


def observe(folder: Path, began: float, returncode: int, output: str) -> Observed:
    """What has been done in `folder` since `began`."""
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
