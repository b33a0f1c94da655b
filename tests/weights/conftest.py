from __future__ import annotations

from pathlib import Path

import pytest
from support.small_weights import empty_places


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create an empty `weights/` in a working folder, without any cache."""
    return empty_places(monkeypatch, tmp_path)
