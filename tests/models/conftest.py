"""Fixtures of networks' tests: makers of small stores and experiments, and a bench to train on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from support.fake_store import make_experiment, make_split, make_store, store_of
from support.training import Bench

import affectstore


@pytest.fixture(scope="session")
def fake() -> SimpleNamespace:
    """The makers of `support.fake_store`: `store`, `store_of`, `split` and `experiment`."""
    return SimpleNamespace(store=make_store, store_of=store_of, split=make_split, experiment=make_experiment)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A small store behind `affectstore.open`, and a split of it."""
    store = make_store()
    monkeypatch.setattr(affectstore, "open", lambda root: store)
    return Bench(store, make_split(store), tmp_path)
