"""List the weights that features and encoders use: which are here, and where the others are from; or fetch one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

HELP = "list published weights: used by, found, verified; or fetch one"


@dataclass(frozen=True)
class _Line:
    """One file or model.

    Attributes:
        name, used_by: what it is and who asks for it.
        size: in MB; empty where that is not known.
        state: "verified", "here" (no digest to compare it with), "wrong" or "missing".
        digest: first digits, where it is here.
        where: its path.
        advice: how to get it, where it is not here or wrong.
    """

    name: str
    used_by: str
    size: str
    state: str
    digest: str = ""
    where: str = ""
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore weights`."""
    parser.add_argument("--fetch", metavar="NAME", help="download this file into weights/, where the network allows")
    parser.add_argument("--paranoid", action="store_true", help="compute every digest again, remembered or not")


def main(args: argparse.Namespace) -> int:
    """Print the listing, or fetch; 1 where a file that is here is not the published one."""
    from affectstore.cli._columns import as_columns
    from affectstore.weights.fetch import fetch
    from affectstore.weights.find import search_folders
    from affectstore.weights.known import KNOWN

    if args.fetch:
        weights = fetch(args.fetch)
        verified = "the published file" if KNOWN[args.fetch].sha256 else "no published digest to compare it with"
        print(f"{weights.path}: sha256 {weights.sha256}, {verified}")
        return 0
    lines = [*_files(args.paranoid), *_models()]
    head = ("file or model", "used by", "MB", "state", "digest", "where")
    body = [(line.name, line.used_by, line.size, line.state, line.digest, line.where) for line in lines]
    print(as_columns([head, *body], right={2}))
    looked = dict.fromkeys(str(folder) for known in KNOWN.values() for folder in search_folders(known))
    print(f"\nfiles are looked for in: {', '.join(looked)}")
    for line in lines:
        if line.advice:
            print(f"\n{line.name}: {line.advice}")
    print("\n`affectstore weights --fetch FILE` downloads a file; `weights: random` needs none, and is for tests only.")
    return int(any(line.state == "wrong" for line in lines))


def _files(paranoid: bool) -> Iterator[_Line]:
    from affectstore.errors import ConfigError
    from affectstore.weights.find import find, require
    from affectstore.weights.known import KNOWN

    for name, known in KNOWN.items():
        what = name, known.used_by, str(known.size_mb)
        path = find(name)
        if path is None:
            inside = f", in it {known.member}" if known.member else ""
            advice = f"{known.title}\n  from {known.url}{inside}\n  licence: {known.licence}; {known.page}"
            yield _Line(*what, "missing", advice=advice)
            continue
        try:
            sha256 = require(name, paranoid=paranoid).sha256
        except ConfigError as error:
            yield _Line(*what, "wrong", where=str(path), advice=str(error))
            continue
        yield _Line(*what, "verified" if known.sha256 else "here", sha256[:12], str(path))


def _models() -> Iterator[_Line]:
    """Models of the Hugging Face hub that are known by id; any other is named in an option."""
    import importlib.util

    from affectstore.errors import ConfigError
    from affectstore.weights.hub import KNOWN_MODELS, WEIGHTS, ModelName, find_model

    for name, known in KNOWN_MODELS.items():
        what = name, known.used_by, ""
        if importlib.util.find_spec("huggingface_hub") is None:
            yield _Line(
                *what, "missing", advice="the package huggingface_hub, which comes with transformers, is missing"
            )
            continue
        try:
            found = find_model(ModelName(name))
        except ConfigError as error:
            yield _Line(*what, "missing", advice=str(error))
            continue
        sha256 = found.digests.get(WEIGHTS, found.network_digest)  # of a model whose weights are in several files
        yield _Line(*what, "verified" if known.sha256 else "here", sha256[:12], str(found.folder))
