"""A folder is a registry."""

from __future__ import annotations

import subprocess
import sys

import pytest

from affectstore.cli.main import VERBS, main
from affectstore.corpora.base import CORPORA
from affectstore.errors import UnknownNameError
from affectstore.features.base import EXTRACTORS


def test_names_are_the_files() -> None:
    assert set(EXTRACTORS.names()) >= {"audio", "frames", "faces", "mel", "mel_image", "mel_chunks"}
    assert {"synthetic", "crema-d"} <= set(CORPORA.names())


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown extractor 'mell'; known: .*mel_chunks.*Did you mean 'mel'"):
        EXTRACTORS.load("mell")


@pytest.mark.parametrize("verb", [name for name in VERBS.names() if name != "main"])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert verb in capsys.readouterr().out


def test_unknown_verb_is_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "affectstore", "rum"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "run" in done.stderr
