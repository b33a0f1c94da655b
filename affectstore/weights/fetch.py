"""Downloads of published weights into `weights/` of the working folder."""

from __future__ import annotations

import http.client
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.weights.find import FOLDER, Weights, find, missing_message, require
from affectstore.weights.known import PublishedFile, published

#: Seconds without an answer after which the network counts as absent.
_TIMEOUT_S = 30


def fetch(name: str) -> Weights:
    """Download a known file; it is named only once it is complete and, if its digest is known, verified.

    Raises:
        UnknownNameError: No such file is known.
        ConfigError: The file comes with a package, cannot be downloaded, or is not the published one.
    """
    known = published(name)
    if known.package:
        raise ConfigError(f"{name} comes with {known.package.replace('_', '-')} and is not fetched: {known.url}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"fetching {known.url} (about {known.size_mb} MB; licence: {known.licence}) ...", file=sys.stderr, flush=True)
    handle, temporary = tempfile.mkstemp(dir=FOLDER, prefix=f".{name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            _download(known, file)
        sha256 = digest_file(Path(temporary))
        if known.sha256 is not None and sha256 != known.sha256:
            raise ConfigError(
                f"{known.url} did not give the published file: its sha256 is {sha256}, that of {name} is "
                f"{known.sha256}; nothing was kept"
            )
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files that other users cannot read
        Path(temporary).replace(FOLDER / name)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return Weights(FOLDER / name, sha256)


def find_or_fetch(name: str) -> Weights:
    """Find a known file, or fetch it if a published digest can verify it.

    Raises:
        ConfigError: The file is missing, and cannot be fetched and verified.
    """
    if find(name) is None and published(name).sha256 is not None:
        try:
            return fetch(name)
        except ConfigError as error:
            raise ConfigError(f"{missing_message(name)}; fetching them now failed: {error}") from error
    return require(name)


def _download(known: PublishedFile, file: IO[bytes]) -> None:
    try:
        with urllib.request.urlopen(known.url, timeout=_TIMEOUT_S) as answer:
            if known.member:
                with _member(answer, known.member) as source:
                    shutil.copyfileobj(source, file)
                return
            shutil.copyfileobj(answer, file)
            announced = answer.headers.get("Content-Length")
        if announced is not None and file.tell() != int(announced):
            raise ConfigError(f"{known.url} broke off after {file.tell():,} of {int(announced):,} bytes; try again")
    except (OSError, EOFError, http.client.HTTPException, tarfile.TarError) as error:
        raise ConfigError(
            f"{known.url} could not be fetched ({error}); download it on a machine with a network and put "
            f"{known.member or known.name} into {FOLDER.absolute()}"
        ) from error


@contextmanager
def _member(answer: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    """Open one file of an archive that is read as it arrives; no other file of it is written anywhere."""
    with tarfile.open(fileobj=answer, mode="r|*") as archive:
        for entry in archive:
            source = archive.extractfile(entry) if entry.isfile() and entry.name.removeprefix("./") == path else None
            if source is not None:
                yield source
                return
    raise tarfile.TarError(f"the archive holds no {path}")
