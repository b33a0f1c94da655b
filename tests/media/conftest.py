"""Folder for generated media."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for the media that a test run makes."""
    return tmp_path_factory.mktemp("media")
