"""Every file of the corpora folder keeps the contract of a corpus; a new corpus is tested by being there.

The example of a corpus is the function `example` of `tests/support/small_<corpus>.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from affectstore.corpora.base import CORPORA
from affectstore.testing.corpus import CorpusContract


class Example(NamedTuple):
    """A small copy of a corpus, and the options that it is read with."""

    root: Path
    options: Mapping[str, Any]


@pytest.fixture(scope="module", params=CORPORA.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def example(name: str, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Write the example of a corpus."""
    module = f"support.small_{name.replace('-', '_')}"
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"there is no tests/support/{module}.py with an example")
    root = tmp_path_factory.mktemp(name)
    return Example(root, importlib.import_module(module).example(root))


class TestCorpora(CorpusContract):
    """The contract over all corpora."""

    @pytest.fixture
    def corpus(self, name: str) -> ModuleType:
        return CORPORA.load(name)

    @pytest.fixture
    def example_root(self, example: Example) -> Path:
        return example.root

    @pytest.fixture
    def example_options(self, example: Example) -> Mapping[str, Any]:
        return example.options

    @pytest.fixture
    def labels_are_open(self, name: str) -> bool:
        return name == "folder"  # clips of one's own
