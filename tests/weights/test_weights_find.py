"""Search for weights, remembered digests and messages."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

import pytest
from support.small_weights import publish

from affectstore.digest import digest_file
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.features.base import EXTRACTORS, build
from affectstore.weights import remembered
from affectstore.weights.find import find, require
from affectstore.weights.known import KNOWN

NAME = "vgg_face_dag.pth"
FACENET = "20180402-114759-vggface2.pt"


def aged(path: Path, content: bytes = b"numbers", seconds: int = 100) -> Path:
    """Date a file back, so that its digest may be remembered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - seconds * 10**9))
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the files whose digest was computed."""
    paths: list[Path] = []

    def counted(path: Path) -> str:
        paths.append(path)
        return digest_file(path)

    monkeypatch.setattr(remembered, "digest_file", counted)
    return paths


def test_a_missing_file_says_what_to_download_from_where_and_to_which_folder(folder: Path) -> None:
    for name, known in KNOWN.items():
        if known.package:
            continue
        with pytest.raises(ConfigError) as error:
            require(name)
        for word in (name, known.url, str(folder), known.licence, known.member, "--fetch", "weights: random"):
            assert word in str(error.value)
        for place in ("TORCH_HOME/hub/checkpoints", "TORCH_HOME/checkpoints", "DEEPFACE_HOME/.deepface/weights"):
            assert str(folder.parent / place) in str(error.value)


def test_the_places_in_their_order(folder: Path) -> None:
    below = folder.parent
    for place in (
        below / "DEEPFACE_HOME" / ".deepface" / "weights",
        below / "TORCH_HOME" / "checkpoints",
        below / "TORCH_HOME" / "hub" / "checkpoints",
    ):
        aged(place / NAME)
        assert find(NAME) == place / NAME
    aged(folder / NAME)
    assert find(NAME) == Path("weights") / NAME
    assert require(NAME).sha256 == digest_file(folder / NAME)


def test_the_default_places_are_below_the_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "TORCH_HOME", "DEEPFACE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder.parent / "home"))
    for place in (".deepface/weights", ".cache/torch/checkpoints", ".cache/torch/hub/checkpoints"):
        path = aged(folder.parent / "home" / place / NAME)
        assert require(NAME).path == path


def test_an_unknown_file_lists_the_known(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown file of weights 'vgg_face.pth'; known: .*vgg_face_dag.pth"):
        require("vgg_face.pth")


def test_a_file_that_is_not_the_published_one_is_refused(folder: Path) -> None:
    aged(folder / FACENET)
    with pytest.raises(ConfigError, match="is not the published file") as error:
        require(FACENET)
    for word in (f"weights/{FACENET}", digest_file(folder / FACENET), KNOWN[FACENET].sha256, KNOWN[FACENET].url):
        assert word is not None
        assert word in str(error.value)


def test_a_wrong_file_is_not_passed_over_for_a_right_one_elsewhere(folder: Path, monkeypatch) -> None:
    right = aged(folder.parent / "TORCH_HOME" / "checkpoints" / FACENET, b"right")
    publish(monkeypatch, FACENET, sha256=digest_file(right))
    assert require(FACENET).path == right
    aged(folder / FACENET, b"wrong")
    with pytest.raises(ConfigError, match="is not the published file"):
        require(FACENET)


def test_a_digest_is_computed_once(folder: Path, reads: list[Path]) -> None:
    path = aged(folder / NAME)
    first = require(NAME)
    assert first == require(NAME)
    assert len(reads) == 1
    assert require(NAME, paranoid=True) == first
    assert len(reads) == 2
    other = aged(folder.parent / "elsewhere", b"other")
    assert remembered.remembered_digest(other) == digest_file(other)
    assert require(NAME) == first
    assert len(reads) == 3
    os.utime(path)  # touched: read again, and not trusted yet, since it could change within the clock's tick
    assert require(NAME) == require(NAME) == first
    assert len(reads) == 5


def test_a_changed_file_has_another_digest(folder: Path) -> None:
    path = aged(folder / NAME, b"numbers")
    before = require(NAME).sha256
    aged(path, b"numberz", seconds=90)
    assert require(NAME).sha256 == digest_file(path) != before
    aged(path, b"longer numbers")
    assert require(NAME).sha256 == digest_file(path)


def test_a_link_and_its_file_are_one(folder: Path, reads: list[Path]) -> None:
    path = aged(folder.parent / "big" / "file")
    (folder / NAME).symlink_to(path)
    assert require(NAME).sha256 == digest_file(path)
    assert remembered.remembered_digest(path) == digest_file(path)
    assert len(reads) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"X": 3}', '{"X": {"size": 7}}', '{"X": {"sha256": 1}}'])
def test_a_damaged_memory_costs_time_only(folder: Path, content: str) -> None:
    path = aged(folder / NAME)
    remembered.memory().parent.mkdir(parents=True)
    remembered.memory().write_text(content.replace("X", str(path)))
    assert require(NAME).sha256 == digest_file(path)
    assert list(json.loads(remembered.memory().read_text())) == [str(path)]


def test_what_is_gone_is_forgotten(folder: Path) -> None:
    path = aged(folder / NAME)
    require(NAME)
    path.unlink()
    other = aged(folder / "VGG_FACE.t7")
    require("VGG_FACE.t7")
    assert list(json.loads(remembered.memory().read_text())) == [str(other)]


def test_a_memory_that_cannot_be_written_costs_time_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "file"))
    path = aged(folder / NAME)
    assert require(NAME).sha256 == digest_file(path)


def test_what_a_package_brings_is_looked_for_in_the_package(folder: Path) -> None:
    for name, known in KNOWN.items():
        if known.package:
            aged(folder / name)
            found = require(name)
            assert found.path.parent.name == "data"
            assert found.sha256 == known.sha256


def test_a_package_that_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "pnet.pt", package="no_such_package")
    with pytest.raises(ConfigError, match=r"pip install 'affectstore\[extract\]'`, which installs no-such-package"):
        require("pnet.pt")


@pytest.mark.parametrize("name", ["vggface", "facenet"])
def test_every_file_that_an_extractor_may_ask_for_is_known(folder: Path, name: str) -> None:
    field = EXTRACTORS.load(name).Options.model_fields["weights"]
    for weights in get_args(field.annotation):
        extractor = build(name, {"weights": weights})
        if weights == "random":
            assert extractor.weights_digest() == "random:0"
        else:
            with pytest.raises(ConfigError, match=f"{name} needs the weights {extractor.weights()}"):
                extractor.weights_digest()
