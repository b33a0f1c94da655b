"""Downloads from a local server."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.small_weights import publish

from affectstore.errors import ConfigError
from affectstore.weights.fetch import fetch, find_or_fetch

NAME = "20180402-114759-vggface2.pt"
CONTENT = b"weights" * 10_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def tar_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Start a server; yield its address and files by path. `/short` announces more bytes than it sends."""
    served: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"") + 10 * (self.path == "/short")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", served
        http.shutdown()


def test_a_file_is_fetched_and_verified(folder: Path, server, monkeypatch: pytest.MonkeyPatch) -> None:
    address, served = server
    served["/w"] = CONTENT
    publish(monkeypatch, NAME, url=f"{address}/w", sha256=SHA256)
    weights = fetch(NAME)
    assert (weights.path, weights.sha256) == (Path("weights") / NAME, SHA256)
    assert (folder / NAME).read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert (folder / NAME).stat().st_mode & 0o444 == 0o444


def test_the_folder_is_made(folder: Path, server, monkeypatch: pytest.MonkeyPatch) -> None:
    address, served = server
    served["/w"] = CONTENT
    folder.rmdir()
    publish(monkeypatch, NAME, url=f"{address}/w", sha256=None)
    assert fetch(NAME).sha256 == SHA256


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/w", "did not give the published file"), ("/short", "broke off|could not be fetched"), ("/gone", "404")],
)
def test_what_goes_wrong_leaves_nothing(folder: Path, server, monkeypatch, path: str, reason: str) -> None:
    address, served = server
    served["/w"] = served["/short"] = CONTENT
    publish(monkeypatch, NAME, url=f"{address}{path}", sha256="ab" * 32)
    (folder / NAME).write_bytes(b"what was there before")
    with pytest.raises(ConfigError, match=reason) as error:
        fetch(NAME)
    assert f"{address}{path}" in str(error.value)
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert (folder / NAME).read_bytes() == b"what was there before"


def test_without_a_network_the_message_says_what_to_do(folder: Path, server, monkeypatch) -> None:
    address, _ = server
    publish(monkeypatch, NAME, url=f"{address.rpartition(':')[0]}:9/w")
    with pytest.raises(ConfigError, match="download it on a machine with a network") as error:
        fetch(NAME)
    assert str(folder) in str(error.value)
    assert list(folder.iterdir()) == []


def test_one_file_is_taken_out_of_an_archive(folder: Path, server, monkeypatch: pytest.MonkeyPatch) -> None:
    address, served = server
    served["/a"] = tar_of(vgg_face_torch__ak=b"picture", vgg_face_torch__VGG=CONTENT, **{"..__outside": b"no"})
    publish(monkeypatch, NAME, url=f"{address}/a", sha256=SHA256, member="vgg_face_torch/VGG")
    assert fetch(NAME).sha256 == SHA256
    assert [path.name for path in folder.iterdir()] == [NAME]
    assert not (folder.parent / "outside").exists()


@pytest.mark.parametrize(
    "archive", [tar_of(other=b""), tar_of(other=b"x" * 5000)[:60], b"no archive"], ids=str.split("without cut none")
)
def test_an_archive_without_the_file(folder: Path, server, monkeypatch, archive: bytes) -> None:
    address, served = server
    served["/a"] = archive
    publish(monkeypatch, NAME, url=f"{address}/a", member="vgg_face_torch/VGG")
    with pytest.raises(ConfigError, match="could not be fetched"):
        fetch(NAME)
    assert list(folder.iterdir()) == []


def test_obtaining_fetches_only_what_it_can_verify(folder: Path, server, monkeypatch: pytest.MonkeyPatch) -> None:
    address, served = server
    served["/w"] = CONTENT
    publish(monkeypatch, NAME, url=f"{address}/w", sha256=None)
    with pytest.raises(ConfigError, match="were not found"):
        find_or_fetch(NAME)
    publish(monkeypatch, NAME, url=f"{address}/w", sha256=SHA256)
    assert find_or_fetch(NAME).sha256 == SHA256
    served.clear()
    assert find_or_fetch(NAME).path == Path("weights") / NAME
    (folder / NAME).unlink()
    with pytest.raises(ConfigError, match=r"were not found.*fetching them now failed.*404"):
        find_or_fetch(NAME)


def test_what_a_package_brings_is_not_fetched(folder: Path) -> None:
    with pytest.raises(ConfigError, match="comes with facenet-pytorch"):
        fetch("pnet.pt")
