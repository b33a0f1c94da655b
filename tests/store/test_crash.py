"""A writer may die at any step: earlier data stay readable, and no unfinished shard passes for a complete one."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from affectstore.store.client import open_store
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.content import find_problems
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import data_folders

#: Every call by which a writer changes the file system so that others can see it.
STEPS = ("fsync", "rename", "replace", "mkdir", "rmdir", "unlink")
WriteShard = Callable[..., Ledger]


class Fuse:
    """Count the steps, and call `blow` at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, blow: Callable[[], None], at: int):
        self.count, self.at, self.blow = 0, at, blow
        for name in STEPS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, call: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **options: object) -> object:
            self.count += 1
            if self.count == self.at:
                self.blow()
            return call(*args, **options)

        return step


def write_new(root: Path, write_shard: WriteShard, clip: Callable[..., ClipArrays]) -> None:
    write_shard(root / "corpus" / "mel", "0", {"a": clip(9), "b": clip(2, rows=3), "mute": "no sound"})
    commit(root / "corpus" / "mel", ["0", "1"], {"options": {"n_mels": 5}})


def check_sound(root: Path, before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> None:
    feature = root / "corpus" / "mel"
    for folder in data_folders(feature):
        assert find_problems(folder) == []
    for shard in ("0", "1"):
        ledger = Ledger.read(feature / "shards" / f"{shard}.json")
        assert ledger.find_damage(feature) is None
    read = open_store(root / "corpus")["mel"]
    found = {clip_id: np.array(read[clip_id]) for clip_id in read}
    assert any(
        found.keys() == state.keys() and all(np.array_equal(found[name], state[name]) for name in state)
        for state in (before, after)
    )


def count_steps(root: Path, write_shard: WriteShard, clip: Callable[..., ClipArrays]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        fuse = Fuse(patch, lambda: None, -1)
        write_new(root, write_shard, clip)
    return fuse.count


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory if the system has one: disks are slow to delete thousands of files."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("how", ["killed", "error"])
def test_a_writer_dies_at_every_step(
    memory: Path, published: Path, write_shard: WriteShard, clip: Callable[..., ClipArrays], how: str
) -> None:
    mel = open_store(published)["mel"]
    before = {clip_id: np.array(mel[clip_id]) for clip_id in mel}
    after = {**before, "a": clip(9).arrays["values"]}
    work = memory / "work"

    def restore() -> None:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(published, work / "corpus")

    restore()
    steps = count_steps(work, write_shard, clip)
    assert steps > 50
    # The two ways alternate.
    for at in range(1 if how == "killed" else 2, steps + 1, 2):
        restore()
        if how == "killed":
            _die_at(at, work, write_shard, clip)
        else:
            with pytest.MonkeyPatch.context() as patch:
                Fuse(patch, _fail, at)
                try:
                    write_new(work, write_shard, clip)
                except OSError as error:
                    assert "disk" in str(error)  # noqa: PT017
        check_sound(work, before, after)
        if at % 4 < 2:
            continue
        write_new(work, write_shard, clip)
        check_sound(work, after, after)
        assert not list((work / "corpus" / "mel" / "shards").glob(".*.tmp-*"))


def _fail() -> None:
    raise OSError("the disk is full")


def _die_at(at: int, root: Path, write_shard: WriteShard, clip: Callable[..., ClipArrays]) -> None:
    child = os.fork()
    if child == 0:
        try:
            with pytest.MonkeyPatch.context() as patch:
                Fuse(patch, lambda: os.kill(os.getpid(), signal.SIGKILL), at)
                write_new(root, write_shard, clip)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_data_are_on_disk_before_anything_names_them(
    tmp_path: Path, write_shard: WriteShard, clip: Callable[..., ClipArrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, Path]] = []

    def synced(handle: int) -> None:
        steps.append(("fsync", Path(f"/proc/self/fd/{handle}").readlink()))

    rename, replace = os.rename, os.replace
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", lambda old, new: (steps.append(("rename", Path(old))), rename(old, new)))
    monkeypatch.setattr(os, "replace", lambda old, new: (steps.append(("replace", Path(new))), replace(old, new)))
    ledger = write_shard(tmp_path, "0", {"a": clip(1)})
    order = [name for name, _ in steps]
    moved = order.index("rename")
    temporary = steps[moved][1]
    before = {path for name, path in steps[:moved] if name == "fsync"}
    data = tmp_path / ledger.data
    assert {temporary / path.relative_to(data) for path in [data, *data.rglob("*")]} <= before
    assert steps[moved + 1] == ("fsync", tmp_path / "shards")
    assert steps[moved + 2][0] == "fsync"  # the ledger under its temporary name
    assert steps[moved + 3 :] == [("replace", tmp_path / "shards" / "0.json"), ("fsync", tmp_path / "shards")]
