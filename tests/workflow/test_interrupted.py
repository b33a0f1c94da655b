"""Runs that follow a killed one: they go on, and end where an uninterrupted one does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support import tiny_project
from support.python import environment, prepended

import affectstore
from affectstore.store.content import find_problems
from affectstore.store.paths import data_folders, ledger_files

pytestmark = pytest.mark.slow

#: Loaded by every Python of a run: a job stands still once, in the middle of what it writes, and says so.
PAUSE = """
import os, pathlib, sys, time

def pause():
    own = pathlib.Path(f"at-work.{os.getpid()}")
    own.write_text(str(os.getpid()))
    try:
        os.link(own, "at-work")
    except FileExistsError:
        return
    ends = time.monotonic() + 100
    while not pathlib.Path("go-on").exists() and time.monotonic() < ends:
        time.sleep(0.05)

if "extract" in sys.orig_argv:
    from affectstore.store import writer
    append = writer.ShardWriter.append
    def paused(self, *args):
        append(self, *args)
        if len(self._clips) == 2:
            pause()
    writer.ShardWriter.append = paused
if "train" in sys.orig_argv:
    from affectstore.models.training import trainer
    trainer.CHECKPOINT_INTERVAL_S = 0
    save = trainer.Checkpoint.save
    def saved(self, state, *args):
        save(self, state, *args)
        if state.epoch == 2:
            pause()
    trainer.Checkpoint.save = saved
"""
MEL = ("synthetic/mel",)
FRAMES = ("synthetic/frames",)


@pytest.fixture
def fresh(built: Path, tmp_path: Path) -> Path:
    """A project whose media are made and scanned, and of which nothing is extracted."""
    folder = tiny_project.copy_project(built, tmp_path / "project")
    for part in ("results/store", "results/runs", "results/plans", ".snakemake", "logs"):
        shutil.rmtree(folder / part)
    return folder


class Driver:
    """`affectstore run`, in a process group of its own, up to the moment when a job stands still."""

    def __init__(self, folder: Path, targets: tuple[str, ...]):
        self._folder = folder
        (folder / "hook").mkdir(exist_ok=True)
        (folder / "hook" / "sitecustomize.py").write_text(PAUSE)
        (folder / "at-work").unlink(missing_ok=True)
        self._log = open(folder / "driver.log", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *tiny_project.command("affectstore", targets)],
            cwd=folder,
            env=environment(PYTHONPATH=prepended(folder / "hook")),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_for((folder / "at-work").exists, lambda: self.process.poll() is None)
        self.job = int((folder / "at-work").read_text())

    def go_on(self) -> None:
        """Let the job that stands still go on."""
        (self._folder / "go-on").touch()

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit status and what it said."""
        status = self.process.wait(timeout=120)
        self._log.seek(0)
        return status, self._log.read()


def wait_for(condition: Callable[[], bool], alive: Callable[[], bool] = lambda: True) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert alive(), "it ended before it was interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def begin(folder: Path, targets: tuple[str, ...]) -> Driver:
        drivers.append(Driver(folder, targets))
        return drivers[-1]

    yield begin
    for driver in drivers:
        try:
            os.killpg(driver.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        driver.process.wait()


def ledgers(folder: Path, feature: str) -> dict[str, bytes]:
    files = ledger_files(folder / "results/store/synthetic" / feature)
    return {shard: path.read_bytes() for shard, path in files.items()}


def check_whole(folder: Path, built: Path, *features: str) -> None:
    """The features are those of an uninterrupted run, and nothing half lies about."""
    for feature in features:
        assert ledgers(folder, feature) == ledgers(built, feature)
        shards = folder / "results/store/synthetic" / feature / "shards"
        kept = {path.name for path in data_folders(shards.parent)}
        others = {path.name for path in shards.iterdir()} - kept
        assert others == {"000.json", "001.json", "000.stats", "001.stats", ".000.lock", ".001.lock", "zarr.json"}
    store = affectstore.open(folder / "results/store/synthetic")
    assert len(store[features[-1]]) == 12


def test_jobs_of_a_killed_driver_are_waited_for(fresh: Path, built: Path, start: Callable[..., Driver]) -> None:
    driver = start(fresh, FRAMES)
    driver.process.kill()
    driver.process.wait()
    log = fresh / "next.log"
    with open(log, "w") as file:
        began = time.time()
        following = subprocess.Popen(
            [sys.executable, *tiny_project.command("affectstore", FRAMES)],
            cwd=fresh,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        waits = "waiting for the jobs of an earlier, killed run"
        wait_for(lambda: waits in log.read_text(), lambda: following.poll() is None)
        driver.go_on()
        assert following.wait(timeout=120) == 0, log.read_text()
    assert _alive(driver.job) is False
    seen = tiny_project.observe(fresh, began, 0, log.read_text())
    assert seen.reused["frames"] + seen.computed["frames"] <= 12
    check_whole(fresh, built, "frames")


def test_all_killed_in_the_middle_of_a_shard(fresh: Path, built: Path, start: Callable[..., Driver]) -> None:
    driver = start(fresh, FRAMES)
    os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()
    feature = fresh / "results/store/synthetic/frames"
    assert len(ledger_files(feature)) < 2
    assert all(find_problems(path) == [] for path in data_folders(feature)), "half a shard bears no name of a whole one"
    assert any(path.name.startswith(".") and path.is_dir() for path in (feature / "shards").iterdir())
    assert not (feature / "catalog.json").exists()
    seen = tiny_project.run("snakemake", fresh, ("results/store/synthetic/frames/catalog.json",))
    assert seen.returncode == 0, seen.output
    check_whole(fresh, built, "frames")


def test_a_killed_job_is_named_and_made_again(fresh: Path, built: Path, start: Callable[..., Driver]) -> None:
    driver = start(fresh, MEL)
    os.kill(driver.job, signal.SIGKILL)
    status, said = driver.end()
    assert status == 1
    assert "failed: extract synthetic audio" in said
    assert "Traceback" not in said
    seen = tiny_project.run("affectstore", fresh, MEL)
    assert seen.returncode == 0, seen.output
    check_whole(fresh, built, "audio", "mel")


def test_ctrl_c_leaves_a_clean_state(fresh: Path, built: Path, start: Callable[..., Driver]) -> None:
    driver = start(fresh, FRAMES)
    os.killpg(driver.process.pid, signal.SIGINT)
    status, said = driver.end()
    assert status == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    wait_for(lambda: not _alive(driver.job))
    shards = fresh / "results/store/synthetic/frames/shards"
    assert not [path for path in shards.iterdir() if path.name.startswith(".") and path.is_dir()]
    seen = tiny_project.run("affectstore", fresh, FRAMES)
    assert seen.returncode == 0, seen.output
    assert "waiting" not in seen.output
    check_whole(fresh, built, "frames")


def test_a_second_driver_is_refused_and_an_edit_waits(fresh: Path, built: Path, start: Callable[..., Driver]) -> None:
    driver = start(fresh, MEL)
    for door in ("affectstore", "snakemake"):
        targets = MEL if door == "affectstore" else ("store",)
        seen = tiny_project.run(door, fresh, targets)
        assert seen.returncode == 1
        assert "another run is at work in" in seen.output
        assert f"process {driver.process.pid}" in seen.output
        assert "Traceback" not in seen.output
    config = yaml.safe_load((fresh / "config.yaml").read_text())
    config["features"]["mel"]["options"] = {"n_mels": 32}
    tiny_project.write_config(fresh, config)
    driver.go_on()
    status, said = driver.end()
    assert status == 0, said
    check_whole(fresh, built, "audio", "mel")
    seen = tiny_project.run("affectstore", fresh, MEL)
    assert dict(seen.features) == {"mel": 2}, seen.output
    mel = affectstore.open(fresh / "results/store/synthetic")["mel"]
    assert mel[mel.clip_ids[0]].shape[1:] == (32,)


def test_a_killed_training_goes_on(project: Path, tmp_path: Path, start: Callable[..., Driver]) -> None:
    experiment = {**tiny_project.EXPERIMENT, "train": {"epochs": 4, "batch_size": 4}}
    tiny_project.write_experiment(project, experiment)
    other = tiny_project.copy_project(project, tmp_path / "uninterrupted")
    target = ("results/runs/tiny/audio-net/0/fold.json",)
    driver = start(project, target)
    os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()
    run = project / "results/runs/tiny/audio-net/0"
    assert not (run / "fold.json").exists()
    assert (run / "0/checkpoint/epoch-2.safetensors").exists()
    for folder in (project, other):
        seen = tiny_project.run("affectstore", folder, target)
        assert seen.returncode == 0, seen.output
    expected = other / "results/runs/tiny/audio-net/0"
    assert "resuming after epoch 2" in (project / "logs/train/tiny/audio-net/0.log").read_text()
    assert (run / "fold.json").read_bytes() == (expected / "fold.json").read_bytes()
    assert (run / "0/model.safetensors").read_bytes() == (expected / "0/model.safetensors").read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_parquet(run / "0/predictions.parquet"), pd.read_parquet(expected / "0/predictions.parquet")
    )
    assert not (run / "0/checkpoint").exists()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
