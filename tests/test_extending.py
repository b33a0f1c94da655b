"""docs/extending.md is true: in a copy of the checkout, its files, lines and commands do what the page says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.python import ROOT, run_python

import affectstore

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("extending")]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
EXPERIMENTS = dict(re.findall(r"^`([\w/]+\.yaml)`:\n\n```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
#: Lines for config.yaml: all else that is printed as YAML.
CONFIG = [
    text
    for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    if text not in EXPERIMENTS.values()
]
COMMANDS = [
    *re.findall(r"`((?:affectstore [a-z]|make )[^`]*)`", PAGE),
    *re.findall(r"^```\n(.*)\n```$", PAGE, re.MULTILINE),
]
KINDS = {
    *("features/audio", "affectstore/corpora", "affectstore/splits", "affectstore/cli"),
    *("models/encoders", "models/fusions", "models/losses", "models/tricks"),
}
#: Function and entry of the page's metric.
METRIC = re.search(r"^```python\n(def worst_recall.*?)^```$.*?^```text\n( +Metric\(.*?\n)^```$", PAGE, re.M | re.S)
#: What a checkout holds that commands of the page read.
CHECKOUT = (
    *("affectstore", "features", "models", "rules", "workflow", "tests", "docs"),
    *("config.yaml", "environment.yml", "pyproject.toml", "Makefile"),
)
#: Clips that the page's corpus holds: twelve of its three emotions, and one that it does not know.
LABELS = {"ANG": 4, "HAP": 4, "NEU": 4, "DIS": 1}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout to which all that the page prints was added."""
    folder = tmp_path_factory.mktemp("extended") / "checkout"
    folder.mkdir()
    for name in CHECKOUT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "out"))
        else:
            shutil.copyfile(source, folder / name)
    for part in ("features", "models"):  # links that `make` makes
        if not (folder / "affectstore" / part).is_symlink():
            (folder / "affectstore" / part).symlink_to(Path("..", part))
    for name, text in {**FILES, **EXPERIMENTS}.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text, encoding="utf-8")
    assert METRIC is not None
    metrics = folder / "affectstore/evaluation/metrics.py"
    function, entry = METRIC.groups()
    text = metrics.read_text(encoding="utf-8").replace("\ndef uar(", f"\n{function}\n\ndef uar(")
    metrics.write_text(re.sub(r"( +Metric\(\"uar\".*\n)", rf"\1{entry}", text), encoding="utf-8")
    config = (folder / "config.yaml").read_text(encoding="utf-8")
    for block in CONFIG:
        for key, lines in re.findall(r"^(\w+):\n((?:  .*\n)+)", block, re.MULTILINE):
            assert config.count(f"\n{key}:\n") == 1
            config = config.replace(f"\n{key}:\n", f"\n{key}:\n{lines}")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def drawn(checkout: Path) -> Path:
    """The same after `affectstore run few/loudness`; the folder that AFFECTSTORE_DATA names lies beside it."""
    said(checkout, "affectstore run few/loudness")
    left = Counter(LABELS)
    for clip in sorted((checkout / "results/corpora/few/video").glob("*.mp4")):
        speaker, sentence, label, _ = clip.stem.split("_")
        if left[label]:
            left[label] -= 1
            target = checkout.parent / "data/my-corpus" / speaker / f"{label}_{sentence}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(clip, target)
    assert not +left
    return checkout


def said(checkout: Path, command: str, status: int = 0) -> str:
    """Run a command of the page in the copy; what it says."""
    assert command in COMMANDS
    data = checkout.parent / "data"
    command = command.replace("$AFFECTSTORE_DATA", str(data)).replace("ROOT", str(data / "folder"))
    program, *arguments = shlex.split(command)
    if program == "make":
        lines = (checkout / "Makefile").read_text().split(f"\n{arguments[0]}:")[1].splitlines()[1:2]
        (program, *arguments) = shlex.split(lines[0].strip().removeprefix("$(BIN)/"))
        assert (program, arguments.pop(0)) == ("python", "-m")
    else:
        arguments.insert(0, program)
    return python(checkout, *arguments, status=status)


def python(checkout: Path, module: str, *arguments: str, status: int = 0) -> str:
    """Run a module in the copy, with the copy's packages."""
    data = os.fspath(checkout.parent / "data")
    variables = {"PYTHONPATH": os.fspath(checkout), "AFFECTSTORE_DATA": data}
    done = run_python("-m", module, *arguments, folder=checkout, **variables)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_one_file_of_each_kind() -> None:
    assert sorted(str(Path(name).parent) for name in FILES) == sorted(KINDS)
    assert list(EXPERIMENTS) == ["workflow/experiments/mine.yaml"]


def test_every_folder_that_the_page_names_is_there() -> None:
    for name in re.findall(r"`((?:tests|models|features|affectstore)/[\w/]+(?:\.py)?/?)`", PAGE):
        assert name in FILES or (ROOT / name).exists(), name


def test_every_command_that_the_page_names_is_run_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f'"{command}"' in here or command.startswith("pytest "), command


def test_the_files_are_in_the_house_style(checkout: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        python(checkout, "ruff", *command, *FILES, "affectstore/evaluation/metrics.py")


def test_they_keep_the_contracts(checkout: Path, tmp_path: Path) -> None:
    (command,) = (command for command in COMMANDS if command.startswith("pytest "))
    folder = shlex.quote(os.fspath(tmp_path / "contract"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTEST_ADDOPTS", f"-p no:cacheprovider -m 'not realdata' -rp --basetemp={folder}")
        lines = said(checkout, command).splitlines()
    passed = [line.removeprefix("PASSED ") for line in lines if line.startswith("PASSED ")]
    for name in ("loudness", "mean_cnn", "modality_gate", "focal", "input_noise", "my-corpus", "two_halves"):
        assert sum(name in line for line in passed) >= 3, (name, passed)
    for file in ("test_model_contracts", "test_matrix_training", "test_training_contracts", "test_trainer_contracts"):
        for name in ("mean_cnn", "modality_gate"):
            assert any(file in line and name in line for line in passed), (file, name)


def test_the_matrix_shows_them(checkout: Path) -> None:
    shown = said(checkout, "affectstore matrix")
    (number,) = re.findall(r"^ *(\d+) mean_cnn \(clip\)$", shown, re.MULTILINE)
    (row,) = re.findall(r"^modality_gate +(.*)$", shown, re.MULTILINE)
    assert row.split() == ["x"] * len(row.split())
    assert int(number) <= len(row.split())


def test_they_get_into_the_docs_and_into_the_table_of_parameters(checkout: Path) -> None:
    said(checkout, "make docs")
    assert "`mean_cnn`" in (checkout / "docs/matrix.md").read_text()
    assert "`modality_gate`" in (checkout / "docs/matrix.md").read_text()
    options = (checkout / "docs/config.md").read_text()
    assert all(f"### {name}\n" in options for name in ("loudness", "my-corpus"))
    networks = (checkout / "docs/networks.md").read_text()
    assert all(f"### {name}\n" in networks for name in ("mean_cnn", "modality_gate", "focal", "input_noise"))
    (line,) = re.findall(r"^```text\n(    \(.*\),\n)```$", PAGE, re.MULTILINE)
    table = checkout / "tests/models/test_encoder_counts.py"
    table.write_text(table.read_text().replace("\n    (", f"\n{line}    (", 1))
    python(checkout, "pytest", "-p", "no:cacheprovider", os.fspath(table), "tests/config/test_config_docs.py")


def test_loudness_is_in_the_store(drawn: Path) -> None:
    (reader,) = re.findall(r"`affectstore\.open\(\"(.*?)\"\)\[\"loudness\"\]`", PAGE)
    fine = affectstore.open(drawn / reader)["loudness"]
    assert len(fine.clip_ids) == 24
    for clip_id in fine.clip_ids:
        assert fine[clip_id].shape[1:] == (1,)
        assert fine[clip_id].max() <= 0


def test_the_new_command_lists_speakers(drawn: Path) -> None:
    lines = said(drawn, "affectstore speakers few").splitlines()
    assert sum(int(line.split(": ")[1]) for line in lines) == 24


def test_the_corpus_is_looked_at(drawn: Path) -> None:
    shown = said(drawn, "affectstore check my-corpus $AFFECTSTORE_DATA/my-corpus", status=3)
    assert "My corpus: eight colleagues" in shown
    assert "unknown emotion" in shown
    assert "1002/DIS_WSI.mp4" in shown


def test_a_folder_with_a_table_is_looked_at(drawn: Path) -> None:
    root = drawn.parent / "data/folder"
    shutil.copytree(root.with_name("my-corpus"), root)
    clips = [path.relative_to(root) for path in sorted(root.glob("*/*.mp4"))]
    rows = [f"{path},{path.stem.split('_')[0]},{path.parent}" for path in clips]
    (root / "clips.csv").write_text("\n".join(["path,label,speaker", *rows]) + "\n")
    assert "13 clips of 8 speakers" in said(drawn, "affectstore check folder ROOT")


def test_all_of_them_are_in_one_table(drawn: Path) -> None:
    said(drawn, "affectstore run mine", status=3)
    assert "unknown emotion 'DIS'" in (drawn / "results/manifests/my-corpus.skipped.tsv").read_text()
    table = (drawn / "results/tables/mine.md").read_text()
    assert all(name in table for name in ("mean_cnn", "modality_gate", "noisy", "linear_svm"))
    metrics = pd.read_parquet(drawn / "results/metrics/mine.parquet")
    assert metrics["cell"].nunique() == 5
    runs = (
        metrics[metrics["seed"] >= 0]
        .groupby(["cell", "fold", "seed", "subset", "condition", "metric"])["value"]
        .first()
    )
    by_metric = runs.unstack("metric")
    worst = by_metric[["recall:ANG", "recall:HAP", "recall:NEU"]].min(axis=1)
    pd.testing.assert_series_equal(by_metric["worst_recall"], worst, check_names=False)
    store = affectstore.open(drawn / "results/store/my-corpus")
    fine = store["loudness"]
    assert len(fine.clip_ids) == 12
    assert np.isfinite(np.concatenate([fine[clip_id] for clip_id in fine.clip_ids])).all()
