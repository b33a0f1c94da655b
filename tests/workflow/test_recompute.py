"""Each kind of change reruns exactly what depends on it, by `affectstore run` and by plain `snakemake`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import tiny_project
from support.changes import CHANGES, Change

COMMANDS = ("affectstore", "snakemake")
_ROWS: dict[str, dict[str, str]] = {}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("change", CHANGES, ids=[change.what for change in CHANGES])
def test_exactly_what_is_needed_runs(change: Change, command: str, project: Path) -> None:
    shard_size = _clips_in_shard(project, "000")
    change.apply(project)
    extra = change.environment(project)
    seen = tiny_project.run(command, project, **extra)
    assert seen.returncode == 0, seen.output
    _ROWS.setdefault(change.what, {})[command] = _row(seen)
    assert dict(seen.features) == change.extract
    assert dict(seen.computed) == {name: shard_size if n < 0 else n for name, n in change.computed.items()}
    assert tiny_project.trained_cells(project, seen) == set(change.train)
    if command == "affectstore":  # plans again after the store is published, before any training
        assert set(seen.cells) == set(change.train)
    again = tiny_project.run(command, project, **extra)
    assert again.returncode == 0, again.output
    assert dict(again.jobs) == {}, "a second run must do nothing"
    if command == "affectstore":
        assert "nothing to do" in again.output
    if "n_mels" in change.what:
        check_option_taken_back(command, project)


def check_option_taken_back(command: str, project: Path) -> None:
    """Undo the change of an option: everything is reused."""
    tiny_project.write_config(project, tiny_project.CONFIG)
    seen = tiny_project.run(command, project)
    assert seen.returncode == 0, seen.output
    assert dict(seen.features) == {}, "the old shards are still there, whole: their ledgers are put back"
    assert dict(seen.computed) == {}
    _ROWS.setdefault("the option changed back (mel: n_mels)", {})[command] = _row(seen)


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
        "Printed by `make recompute`, for a project of twelve clips in two shards with five features and two cells;",
        "each row starts from a completely built project. Each change is made twice: once before `affectstore run`,",
        "once before plain `snakemake`. A clip that is renamed, or replaced by a copy of another, is found by its",
        "content and not computed again. If the bytes of a clip change and its audio and video do not, plain",
        "`snakemake`, which plans everything at once, starts the training jobs, and these find that their weights",
        "are still valid; with `affectstore run` they do not start. `tests/workflow/test_interrupted.py` tests",
        "interrupted runs.",
        "",
        "| change | command | jobs | clips computed | clips reused |",
        "|---|---|---|---|---|",
    ]
    for what, rows in _ROWS.items():
        lines += [f"| {what} | `{command}` | {row} |" for command, row in rows.items()]
    Path(path).write_text("\n".join(lines) + "\n")
