"""Generated results tree: several cells, folds, seeds and test conditions, with a known skill per cell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectstore.config.experiment import Experiment
from affectstore.corpora.base import Card
from affectstore.evaluation.classes import classes_of

LABELS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def an_experiment(**changes) -> Experiment:
    settings = {
        "title": "Encoders and fusions on talking faces",
        "corpus": "synthetic",
        "seeds": 3,
        "folds": (0, 1),
        "images": {"image_px": 64, "frames": 8},
        "train": {"epochs": 4},
        "encoder_settings": {"simple3d": {"train": {"epochs": 6}}},
        "cells": (
            {"modalities": ["audio"], "encoder": "resnet18"},
            {"modalities": ["vision"], "encoder": "resnet18"},
            {"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "channel"},
            {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"},
        ),
    }
    return Experiment(**(settings | changes))


def probabilities_for(rng: np.random.Generator, true: np.ndarray, classes: int, skill: float) -> np.ndarray:
    logits = rng.normal(size=(len(true), classes))
    logits[np.arange(len(true)), true] += skill
    p = np.exp(logits)
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32)


def write_runs(root: Path, name: str, experiment: Experiment, clips: int = 96, speakers: int = 8) -> Path:
    """Write results/runs/{name}/... under `root` and return the runs folder."""
    classes = classes_of(experiment, LABELS)
    rng = np.random.default_rng(7)
    table = pd.DataFrame({"clip_id": [f"{1001 + i % speakers}_C{i:03d}" for i in range(clips)]})
    table["speaker"] = table["clip_id"].str[:4]
    table["y"] = [classes[k] for k in rng.integers(0, len(classes), clips)]
    folds = experiment.folds or (0, 1)
    fold_of = {s: folds[i % len(folds)] for i, s in enumerate(sorted(table["speaker"].unique()))}
    runs = root / "results" / "runs"
    for c, cell in enumerate(experiment.cells):
        for fold in folds:
            mine = table["speaker"].map(fold_of) == fold
            for seed in range(experiment.seeds):
                rng = np.random.default_rng([c, fold, seed])
                parts = []
                conditions = ["full"] + (["no_audio", "no_vision"] if cell.modality == "multimodal" else [])
                for subset, rows in (("val", ~mine), ("test", mine)):
                    for condition in conditions if subset == "test" else ["full"]:
                        own = table[rows]
                        true = own["y"].map(list(classes).index).to_numpy(dtype=np.int64)
                        p = probabilities_for(rng, true, len(classes), 0.8 + 0.5 * c if condition == "full" else 0.4)
                        part = pd.DataFrame(
                            {
                                "instance_id": own["clip_id"],
                                "clip_id": own["clip_id"],
                                "audio_clip_id": own["clip_id"],
                                "speaker": own["speaker"],
                                "fold": fold,
                                "seed": seed,
                                "subset": subset,
                                "condition": condition,
                                "y": own["y"],
                            }
                        )
                        for k, label in enumerate(classes):
                            part[f"p_{label}"] = p[:, k]
                        parts.append(part)
                write_run(runs / name / cell.id / str(fold) / str(seed), pd.concat(parts), experiment, cell, fold, seed)
    return runs


def write_run(folder: Path, predictions: pd.DataFrame, experiment, cell, fold: int, seed: int) -> None:
    folder.mkdir(parents=True)
    predictions.to_parquet(folder / "predictions.parquet")
    epochs = experiment.training_of(cell).epochs
    rng = np.random.default_rng([fold, seed])
    e = np.arange(1, epochs + 1)
    pd.DataFrame(
        {
            "epoch": e,
            "train_loss": 1.8 * np.exp(-0.2 * e) + 0.02 * rng.normal(size=epochs),
            "train_accuracy": 1 - 0.8 * np.exp(-0.2 * e),
            "val_loss": 1.2 + 0.5 * np.exp(-0.4 * e) + 0.03 * e + 0.02 * rng.normal(size=epochs),
            "val_accuracy": 0.5 - 0.3 * np.exp(-0.3 * e),
            "val_uar": 0.5 - 0.3 * np.exp(-0.3 * e) + 0.01 * rng.normal(size=epochs),
            "seconds": 1.5,
            "clips_per_s": 60.0,
        }
    ).to_csv(folder / "history.csv", index=False)
    facts = {
        "cell": cell.id,
        "fold": fold,
        "seed": seed,
        "badges": [],
        "weights": {"audio": "random"},
        "input_kind": "clip" if cell.encoder_label == "simple3d" else "image",
        "device": "cpu",
        "versions": {"python": "3.11", "torch": "2.14.1", "affectstore": "0.1.0"},
        "digests": {"split": "ab" * 32, "features": {"faces": "cd" * 32}, "config": "ef" * 32},
        "wall_s": 9.5,
        "train_s": 8.25 + seed,
        "best_epoch": 3,
        "epochs": epochs,
        "peak_mem_mb": 812.0,
        "parameters": 3262 if cell.encoder_label == "simple3d" else 11_180_103,
        "infer_ms_per_clip": 4.2,
        "n": {"train": 48, "val": 24, "test": 24},
        "skipped": {"no face": 2, "no audio stream": 1},
    }
    (folder / "run.json").write_text(json.dumps(facts))


@pytest.fixture
def experiment() -> Experiment:
    return an_experiment()


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluation")
    write_runs(root, "demo", an_experiment())
    return root


@pytest.fixture
def runs_dir(tmp_path: Path, tree: Path) -> Path:
    """Copy of the runs that a test may change."""
    shutil.copytree(tree / "results", tmp_path / "results")
    return tmp_path / "results" / "runs"


@pytest.fixture
def make_experiment():
    return an_experiment


@pytest.fixture
def make_runs():
    return write_runs


@pytest.fixture(scope="session")
def session_card() -> Card:
    return Card(
        name="synthetic",
        title="Faces & voices <made up>",
        licence="MIT",
        citation="Nobody (2026)",
        url="",
        labels=LABELS,
        label_names={label: label.title() for label in LABELS},
        counts={},
        human={"audio": 0.409, "vision": 0.582, "multimodal": 0.636},
    )


@pytest.fixture(scope="session")
def session_experiment() -> Experiment:
    return an_experiment()
