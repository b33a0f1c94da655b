"""`affectstore weights`: the listing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_weights import publish

from affectstore.cli.main import main
from affectstore.digest import digest_file
from affectstore.models.spec import ENCODERS, EncoderOptions
from affectstore.weights.hub import KNOWN_MODELS
from affectstore.weights.known import KNOWN

NAME = "20180402-114759-vggface2.pt"


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


def test_everything_known_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    out = capsys.readouterr().out
    for name, known in KNOWN.items():
        line = line_of(out, name)
        assert known.used_by in line
        assert ("verified" if known.package else "missing") in line
        if not known.package:
            assert known.url in out
            assert known.licence in out
    assert "looked for in: weights, " in out
    for model, of_model in KNOWN_MODELS.items():
        assert of_model.used_by in line_of(out, model)
    asked_for = {*(known.used_by for known in KNOWN.values()), *(model.used_by for model in KNOWN_MODELS.values())}
    options = {name: ENCODERS.load(name).Options for name in ENCODERS.names()}
    published = [name for name, of in options.items() if of.pretrained_digest is not EncoderOptions.pretrained_digest]
    assert {"resnet18", "i3d", "pt_vit", "videomae"} <= set(published)
    for encoder in published:
        assert [words for words in asked_for if words.startswith(f"{encoder} with `weights: ")], encoder
    assert "DEEPFACE_HOME/.deepface/weights" in out


def test_states(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "vgg_face_dag.pth").write_bytes(b"numbers")
    (folder / NAME).write_bytes(b"numbers")
    assert main(["weights"]) == 1
    out = capsys.readouterr().out
    digest = digest_file(folder / NAME)
    assert line_of(out, "vgg_face_dag.pth").split()[-3:] == ["here", digest[:12], "weights/vgg_face_dag.pth"]
    assert line_of(out, NAME).split()[-2:] == ["wrong", f"weights/{NAME}"]
    publish(monkeypatch, NAME, sha256=digest)
    assert main(["weights", "--paranoid"]) == 0
    assert line_of(capsys.readouterr().out, NAME).split()[-3:] == ["verified", digest[:12], f"weights/{NAME}"]


def test_a_model_of_which_no_digest_is_known_is_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "google/vit-base-patch16-224-in21k"
    model = folder / name.replace("/", "--")
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"numbers")
    assert main(["weights"]) == 0
    digest = digest_file(model / "model.safetensors")
    found = line_of(capsys.readouterr().out, name).split()[-3:]
    assert found == ["here", digest[:12], str(Path("weights", model.name))]


def test_fetching(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder.parent / "source"
    source.write_bytes(b"numbers")
    publish(monkeypatch, NAME, url=source.as_uri(), sha256=digest_file(source))
    assert main(["weights", "--fetch", NAME]) == 0
    assert f"weights/{NAME}: sha256 {digest_file(source)}, the published file" in capsys.readouterr().out
    assert (folder / NAME).read_bytes() == b"numbers"


def test_fetching_without_a_network(folder: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    publish(monkeypatch, NAME, url="http://127.0.0.1:9/weights")
    assert main(["weights", "--fetch", NAME]) == 1
    err = capsys.readouterr().err
    assert "affectstore weights: http://127.0.0.1:9/weights could not be fetched" in err
    assert str(folder) in err


def test_fetching_what_is_not_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--fetch", "vgg_face.pth"]) == 1
    assert "unknown file of weights 'vgg_face.pth'; known: " in capsys.readouterr().err
