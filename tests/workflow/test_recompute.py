"""Each kind of change reruns exactly what depends on it, by `affectstore run` and by plain `snakemake`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import tiny_project
from support.changes import CHANGES, Change

DOORS = ("affectstore", "snakemake")
_ROWS: dict[str, dict[str, str]] = {}


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", CHANGES, ids=[change.what for change in CHANGES])
def test_exactly_what_is_needed_runs(change: Change, door: str, project: Path) -> None:
    shard_size = _clips_in_shard(project, "000")
    change.apply(project)
    extra = change.environment(project)
    seen = tiny_project.run(door, project, **extra)
    assert seen.returncode == 0, seen.output
    _ROWS.setdefault(change.what, {})[door] = _row(seen)
    assert dict(seen.features) == change.extract
    assert dict(seen.computed) == {name: shard_size if n < 0 else n for name, n in change.computed.items()}
    assert tiny_project.trained_cells(project, seen) == set(change.train)
    if door == "affectstore":  # which looks again when the store is made, before it plans any training
        assert set(seen.cells) == set(change.train)
    again = tiny_project.run(door, project, **extra)
    assert again.returncode == 0, again.output
    assert dict(again.jobs) == {}, "a second run must do nothing"
    if door == "affectstore":
        assert "nothing to do" in again.output
    if "n_mels" in change.what:
        check_option_taken_back(door, project)


def check_option_taken_back(door: str, project: Path) -> None:
    """Undo the change of an option: everything is reused."""
    tiny_project.write_config(project, tiny_project.CONFIG)
    seen = tiny_project.run(door, project)
    assert seen.returncode == 0, seen.output
    assert dict(seen.features) == {}, "the old shards are still there, whole: their ledgers are put back"
    assert dict(seen.computed) == {}
    _ROWS.setdefault("that option taken back", {})[door] = _row(seen)


def test_the_matrix_is_whole() -> None:
    words = " ".join(change.what for change in CHANGES)
    for kind in (
        "touched",
        "changed",
        "renamed",
        "added",
        "deleted",
        "option",
        "version",
        "order",
        "data",
        "ledger",
        "catalog",
        ".snakemake",
    ):
        assert kind in words


def _clips_in_shard(project: Path, shard: str) -> int:
    ledger = json.loads((project / f"results/store/synthetic/mel/shards/{shard}.json").read_text())
    return len(ledger["clips"])


def _row(seen: tiny_project.Observed) -> str:
    jobs = ", ".join(f"{count} {verb}" for verb, count in sorted(seen.jobs.items())) or "none"
    return f"{jobs} \\| {sum(seen.computed.values())} \\| {sum(seen.reused.values())}".replace("\\|", "|")


@pytest.fixture(scope="session", autouse=True)
def _write_table(request: pytest.FixtureRequest):
    yield
    path = request.config.getoption("--recompute-table")
    if not path:
        return
    lines = [
        "# What each change makes run again",
        "",
        "Printed by `make recompute`, on twelve clips in two shards with five features and two cells; each row starts",
        "from a fully built project. Through both doors: `affectstore run`, and plain `snakemake`. A clip that is",
        "renamed or replaced by a copy of another is found by its content and computed nowhere. Where a clip's bytes",
        "change and its audio and frames do not, plain `snakemake`, which plans everything at once, starts the",
        "training jobs, and these find their weights there; with `affectstore run` they do not start. An interrupted",
        "run: `tests/workflow/test_interrupted.py`.",
        "",
        "| change | door | jobs | clips computed | clips reused |",
        "|---|---|---|---|---|",
    ]
    for what, doors in _ROWS.items():
        lines += [f"| {what} | `{door}` | {row} |" for door, row in doors.items()]
    Path(path).write_text("\n".join(lines) + "\n")
