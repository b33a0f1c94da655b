"""One built tiny project for all workflow tests; each test works on its own copy."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from support import tiny_project


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--recompute-table", default=None, help="write what each change makes run again to this file")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, built by the first of pytest-xdist's workers; nothing may change it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "tiny-project"
    with open(shared / "tiny-project.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            observed = tiny_project.run("affectstore", tiny_project.make_project(folder))
            assert observed.returncode == 0, observed.output
            (folder / "built").touch()
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    return tiny_project.copy_project(built, tmp_path / "project")
