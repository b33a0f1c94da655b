"""docs/extending.md is true: its files, put where it says, keep their contracts and take part in a whole run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_project
import yaml

import affectstore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("extending")]
PAGE = (tiny_project.ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PACKAGES = {
    "features/audio": "affectstore.features.audio",
    "models/encoders": "affectstore.models.encoders",
    "models/fusions": "affectstore.models.fusions",
    "affectstore/corpora": "affectstore.corpora",
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files in folders of their own, which are made part of the packages."""
    folder = tmp_path_factory.mktemp("extended")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    lines = ["import importlib"]
    for part, package in PACKAGES.items():
        lines.append(f"importlib.import_module({package!r}).__path__.append({str(folder / part)!r})")
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return folder


def python(folder: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=tiny_project.environment(PYTHONPATH=str(folder / "hook")),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_one_file_of_each_kind() -> None:
    assert {str(Path(name).parent) for name in FILES} == set(PACKAGES)


def test_every_folder_that_the_page_names_is_there() -> None:
    for name in re.findall(r"`((?:tests|models|features|affectstore)/[\w/]+(?:\.py)?/?)`", PAGE):
        assert name in FILES or (tiny_project.ROOT / name).exists(), name


def test_the_files_are_in_the_house_style(extended: Path) -> None:
    config = str(tiny_project.ROOT / "pyproject.toml")
    for command in (["check"], ["format", "--check"]):
        python(extended, extended, "-m", "ruff", *command, "--config", config, "features", "models", "affectstore")


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        ("features/test_extractor_contract.py", "loudness"),
        ("models/test_model_contracts.py", "mean_cnn"),
        ("models/test_model_contracts.py", "modality_gate"),
        ("corpora/test_corpus_contract.py", "my-corpus"),
    ],
)
def test_they_keep_the_contracts(contract: str, name: str, extended: Path, tmp_path: Path) -> None:
    arguments = ("-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'contract'}", "-k", name)
    said = python(extended, tiny_project.ROOT, *arguments, f"tests/{contract}")
    assert int(re.search(r"(\d+) passed", said)[1]) >= 2, said


def test_they_take_part_in_a_run(extended: Path, tmp_path: Path) -> None:
    from affectstore.corpora import synthetic

    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    features, corpora, experiment = (yaml.safe_load(block) for block in blocks)
    config = {
        "corpora": {"my-corpus": {**corpora["corpora"]["my-corpus"], "shards": 1}},
        "features": {
            **{name: tiny_project.CONFIG["features"][name] for name in ("audio", "frames", "mel", "mel_chunks")},
            **features["features"],
        },
        "experiments": ["tiny"],
    }
    smaller: dict[str, Any] = {"folds": [0], "seeds": 1, "pictures": {"size_px": 32, "frames": 4, "colour": "grey"}}
    smaller |= {"train": {"epochs": 1, "batch_size": 4}, "cells": experiment["cells"][-1:]}
    folder = tiny_project.make_project(tmp_path / "project", config, {**experiment, **smaller})
    synthetic.prepare(tmp_path / "drawn", {"clips": 9, "seed": 0})
    for clip in sorted((tmp_path / "drawn/video").glob("*.mp4")):
        speaker, sentence, label, _ = clip.stem.split("_")
        target = tmp_path / "data/my-corpus" / speaker / f"{label}_{sentence}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, target)
    environment = tiny_project.environment(PYTHONPATH=str(extended / "hook"), AFFECTSTORE_DATA=str(tmp_path / "data"))
    done = subprocess.run(
        [sys.executable, "-m", "affectstore", "run", "--cores", "2", "my-corpus", "tiny"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 3, done.stdout + done.stderr  # emotions that my corpus does not know are skipped
    assert "unknown emotion" in (folder / "results/manifests/my-corpus.skipped.tsv").read_text()
    table = (folder / "results/tables/tiny.md").read_text()
    assert "mean_cnn" in table
    assert "modality_gate" in table
    store = affectstore.open(folder / "results/store/my-corpus")
    fine, coarse = store["loudness"], store["loudness_coarse"]
    assert len(fine.clip_ids) >= 3
    for clip_id in fine.clip_ids:
        values = fine[clip_id]
        assert values.shape[1:] == (1,)
        assert values.max() <= 0
        power = 10 ** (values[: 10 * len(coarse[clip_id]), 0].reshape(-1, 10).astype(np.float64) / 10)
        np.testing.assert_allclose(10 * np.log10(power.mean(axis=1)), coarse[clip_id][:, 0], atol=0.2)
