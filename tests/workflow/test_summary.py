"""The summary that a run prints, and the imports of its jobs."""

from __future__ import annotations

import gc
import io
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from affectstore.evaluation.render.markdown import EVERY_ROW
from affectstore.jobs.imports import kept_imports
from affectstore.runner.summary import summarise
from affectstore.runner.targets import Targets

MATRIX = "# Title\n\n| Encoder | gmu |\n|---|---|\n| mlp | 50.0 |\n\n- Chance: 16.7.\n"


def printed(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    Path("results/tables").mkdir(parents=True)
    Path("results/tables/demo.md").write_text(page, encoding="utf-8")
    state = SimpleNamespace(stores={}, manifests={}, features=SimpleNamespace(unusable={}))
    outcome = SimpleNamespace(
        state=state, targets=Targets(experiments=("demo",)), succeeded=True, dry=False, jobs=Counter(), failed=[]
    )
    stream = io.StringIO()
    assert summarise(outcome, time.time(), allow_incomplete=False, stream=stream) == 0
    return stream.getvalue()


def test_of_a_page_with_a_matrix_the_matrix_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(f"{MATRIX}\n{EVERY_ROW}\n\n| Modality |\n", tmp_path, monkeypatch)
    assert MATRIX in text
    assert "Modality" not in text
    assert "results/tables/demo.md (every row, and what was skipped)" in text


def test_another_page_is_printed_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "# Title\n\n| Modality |\n|---|\n\n- Skipped: 0 clips.\n"
    text = printed(page, tmp_path, monkeypatch)
    assert page in text
    assert "every row" not in text


def test_what_is_imported_for_good_is_left_alone_and_the_rest_is_collected() -> None:
    before = gc.get_freeze_count()
    try:
        with kept_imports():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
        with pytest.raises(ImportError), kept_imports():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()
