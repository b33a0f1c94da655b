"""`affectstore run` with its targets and plain `snakemake` build the same results."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from support import tiny_project
from support.python import run_python

import affectstore

pytestmark = pytest.mark.slow
#: Tests that share one built project run in one worker.
WHOLE = pytest.mark.xdist_group("whole")
MEL = "results/store/synthetic/mel/catalog.json"


def call(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return run_python(*(() if command[0].endswith(".py") else ("-m",)), *command, folder=folder)


def state(folder: Path) -> dict[str, bytes]:
    """Contents of the catalogs, tables and data files."""
    files = [*folder.glob("results/store/*/*/catalog.json"), *folder.glob("results/tables/*")]
    files += [path for path in folder.glob("results/store/*/*/shards/*/**/*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_dry_run_explains_and_runs_nothing(project: Path) -> None:
    before = state(project)
    config = {**tiny_project.CONFIG, "features": {**tiny_project.CONFIG["features"]}}
    config["features"]["mel"] = {"extractor": "mel", "options": {"n_mels": 32}}
    tiny_project.write_config(project, config)
    done = call(project, "affectstore", "run", "-n", "tiny", "synthetic")
    assert done.returncode == 0, done.stderr
    assert "extract synthetic/mel: 2 shards (options, version, weights or upstream changed)" in done.stdout
    assert "extract synthetic/mel_chunks: 2 shards" in done.stdout
    assert "synthetic/audio" not in done.stdout
    assert "train tiny: 1 cells x folds (features changed)" in done.stdout
    assert state(project) == before
    store = affectstore.open(project / "results/store/synthetic")
    assert len(store["mel"].clip_ids) == 12
    assert store["mel"][store["mel"].clip_ids[0]].shape[1:] == (128,)
    tiny_project.write_config(project, tiny_project.CONFIG)
    seen = tiny_project.run("affectstore", project)
    assert seen.returncode == 0, seen.output
    assert dict(seen.features) == {}, "the option was taken back before anything ran: the ledgers are put back"
    assert all("reused" in (project / f"logs/train/tiny/{cell}/0.log").read_text() for cell in seen.cells)


def test_a_dry_run_of_a_new_project_says_that_all_is_new(built: Path, tmp_path: Path) -> None:
    folder = tiny_project.make_project(tmp_path / "project")
    shutil.copytree(built / "media", folder / "media")
    done = call(folder, "affectstore", "run", "-n", "tiny", "synthetic")
    assert done.returncode == 0, done.stderr
    for feature in tiny_project.CONFIG["features"]:
        assert f"extract synthetic/{feature}: 2 shards (new)" in done.stdout
    assert "train tiny: 2 cells x folds (new)" in done.stdout
    assert not (folder / "results/store/synthetic/mel").exists()
    assert not (folder / "logs").exists()


@WHOLE
@pytest.mark.parametrize("targets", [(), ("synthetic",), ("synthetic/mel",), ("tiny",), ("results/tables/tiny.md",)])
def test_every_kind_of_target(targets: tuple[str, ...], whole: Path) -> None:
    done = call(whole, "affectstore", "run", "--cores", "2", *targets)
    assert done.returncode == 0, done.stderr
    assert "nothing to do: everything asked for is there and up to date" in done.stdout
    assert ("table: results/tables/tiny.md" in done.stdout) == (targets in [(), ("tiny",), ("results/tables/tiny.md",)])


@pytest.fixture(scope="module")
def whole(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project with its table and report."""
    folder = tiny_project.copy_project(built, tmp_path_factory.mktemp("whole") / "project")
    done = call(folder, "affectstore", "run", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert (folder / "results/report.html").exists()
    return folder


@WHOLE
@pytest.mark.parametrize(
    ("target", "known"),
    [("sinthetic", "Did you mean 'synthetic'?"), ("synthetic/mell", "Did you mean 'mel'?"), ("nothing", "tiny")],
)
def test_an_unknown_target_lists_the_known_ones(target: str, known: str, whole: Path) -> None:
    done = call(whole, "affectstore", "run", target)
    assert done.returncode == 1
    assert target.rpartition("/")[2] in done.stderr
    assert known in done.stderr
    assert "mel_chunks" in done.stderr
    assert "Traceback" not in done.stderr


@WHOLE
def test_a_file_that_nothing_makes_is_an_error(whole: Path) -> None:
    done = call(whole, "affectstore", "run", "results/store/synthetic/nothing/catalog.json")
    assert done.returncode == 1
    assert "unknown feature in config.yaml 'nothing'; known: audio" in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr


@WHOLE
def test_plain_snakemake_finds_nothing_to_do(whole: Path) -> None:
    done = call(whole, "snakemake", "--snakefile", tiny_project.SNAKEFILE, "-n")
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_plain_snakemake_builds_a_catalog_and_what_it_needs(built: Path, tmp_path: Path) -> None:
    folder = tiny_project.make_project(tmp_path / "project")
    shutil.copytree(built / "media", folder / "media")
    seen = tiny_project.run("snakemake", folder, (MEL,))
    assert seen.returncode == 0, seen.output
    assert dict(seen.features) == {"audio": 2, "mel": 2}
    assert dict(seen.jobs) == {"extract": 4, "commit": 1}
    assert (folder / MEL).read_bytes() == (built / MEL).read_bytes()


def test_a_reader_keeps_reading_while_the_feature_is_made_again(project: Path) -> None:
    held = affectstore.open(project / "results/store/synthetic")["mel"]
    before = {clip_id: np.array(held[clip_id]) for clip_id in held.clip_ids}
    shapes, errors, stop = set(), [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                for clip_id, values in before.items():
                    np.testing.assert_array_equal(held[clip_id], values)
                newest = affectstore.open(project / "results/store/synthetic")["mel"]
                assert newest.clip_ids == held.clip_ids
                shapes.add(tuple({newest[clip_id].shape[1:] for clip_id in newest.clip_ids}))
            except Exception as error:
                errors.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        config = {**tiny_project.CONFIG, "features": {**tiny_project.CONFIG["features"]}}
        config["features"]["mel"] = {"extractor": "mel", "options": {"n_mels": 32}}
        tiny_project.write_config(project, config)
        seen = tiny_project.run("affectstore", project, ("synthetic/mel",))
        newest = affectstore.open(project / "results/store/synthetic")["mel"]
        assert newest[newest.clip_ids[0]].shape[1:] == (32,)
    finally:
        stop.set()
        reader.join()
    assert seen.returncode == 0, seen.output
    assert not errors, errors
    assert shapes >= {((128,),)}
    assert shapes <= {((128,),), ((32,),)}, "a snapshot is of one kind"
    for clip_id, values in before.items():
        np.testing.assert_array_equal(held[clip_id], values)


@WHOLE
def test_the_rules_are_clean(whole: Path) -> None:
    lint = call(whole, str(tiny_project.ROOT / ".ci/lint_workflow.py"), "--snakefile", tiny_project.SNAKEFILE)
    assert lint.returncode == 0, lint.stdout + lint.stderr
    rules = [tiny_project.SNAKEFILE, *map(str, sorted((tiny_project.ROOT / "rules").glob("*.smk")))]
    style = call(tiny_project.ROOT, "snakefmt", "--check", *rules)
    assert style.returncode == 0, style.stdout + style.stderr
