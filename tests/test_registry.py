"""Registries: a folder of files, each of which declares one thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from affectstore.cli.main import VERBS, main
from affectstore.corpora.base import CORPORA
from affectstore.declarations import read_declaration
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.features.base import EXTRACTORS
from affectstore.registry import DeclarationRegistry, Registry


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


@pytest.mark.parametrize("registry", [Registry, DeclarationRegistry])
def test_one_error_lists_all_names_that_a_file_lacks(
    registry: type[Registry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"members_of_{registry.__name__}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "half.py").write_text("Options = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    members = registry("gadget", (folder.name,), ("SPEC", "Options", "build"))
    assert members.names() == ("half",)
    message = r"gadget file .*half\.py does not define SPEC and build; such a file defines SPEC, Options, build"
    with pytest.raises(ConfigError, match=message):
        members.load("half")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Options = 1\n", r"does not define SPEC and build; such a file defines SPEC, Options, build"),
        ("SPEC = missing\nOptions = 1\nbuild = 2\n", r"SPEC and Options cannot be read: NameError: .*missing"),
        ("SPEC = (\n", r"cannot be parsed"),
    ],
)
def test_a_declaration_that_cannot_be_read_is_named(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / tmp_path.name  # a package of its own: modules are cached by name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "broken.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=message) as error:
        read_declaration(f"{tmp_path.name}.broken", ("SPEC", "Options"), "encoder", required=("build",))
    assert f"encoder file {folder / 'broken.py'}" in str(error.value)


def test_a_declaration_needs_no_import_of_what_the_rest_of_the_file_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other_members"
    folder.mkdir()
    (folder / "__init__.py").touch()
    lines = [
        "import no_such_library as nn",
        "from dataclasses import dataclass",
        "_WIDTH = 3",
        "SPEC = {'version': _size(1)} if False else {'version': _WIDTH}",
        "def _size(nn):",
        "    return nn",
        "@dataclass",
        "class Options:",
        "    width: int = _WIDTH",
        "class Module(nn.Module):",
        "    pass",
        "build = Module",
    ]
    (folder / "fine.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    declared = read_declaration("other_members.fine", ("SPEC", "Options"), "encoder", required=("build",))
    assert declared.SPEC == {"version": 3}
    assert declared.Options().width == 3
    assert not hasattr(declared, "Module")
