"""One built tiny project for all workflow tests of a worker; each test works on its own copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import tiny_project


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--recompute-table", default=None, help="write what each change makes run again to this file")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_project.make_project(tmp_path_factory.mktemp("tiny") / "project")
    observed = tiny_project.run("affectstore", folder)
    assert observed.returncode == 0, observed.output
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    return tiny_project.copy_project(built, tmp_path / "project")
