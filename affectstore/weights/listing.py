"""Listing of published weights: files and models that features and encoders use, and their state here."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

from affectstore.errors import ConfigError
from affectstore.weights.find import find, require
from affectstore.weights.hub import KNOWN_MODELS, WEIGHTS, ModelName, find_model
from affectstore.weights.known import KNOWN


@dataclass(frozen=True)
class WeightsEntry:
    """One file or model of published weights.

    Attributes:
        name: Name of the file or model.
        used_by: Extractors and encoders that use it.
        size: Size in MB; empty where it is not known.
        state: "verified", "here" (there is no digest to compare it with), "wrong" or "missing".
        digest: First digits of its digest, if it is here.
        where: Its path.
        advice: How to get it, if it is missing or wrong.
    """

    name: str
    used_by: str
    size: str
    state: str
    digest: str = ""
    where: str = ""
    advice: str = ""


def list_weights(paranoid: bool = False) -> list[WeightsEntry]:
    """List every known file and model.

    Args:
        paranoid: Compute every digest again, even if it is remembered.
    """
    return [*_files(paranoid), *_models()]


def _files(paranoid: bool) -> Iterator[WeightsEntry]:
    for name, known in KNOWN.items():
        what = name, known.used_by, str(known.size_mb)
        path = find(name)
        if path is None:
            inside = f", in it {known.member}" if known.member else ""
            advice = f"{known.title}\n  from {known.url}{inside}\n  licence: {known.licence}; {known.page}"
            yield WeightsEntry(*what, "missing", advice=advice)
            continue
        try:
            sha256 = require(name, paranoid=paranoid).sha256
        except ConfigError as error:
            yield WeightsEntry(*what, "wrong", where=str(path), advice=str(error))
            continue
        yield WeightsEntry(*what, "verified" if known.sha256 else "here", sha256[:12], str(path))


def _models() -> Iterator[WeightsEntry]:
    """Models of the Hugging Face hub that are known by id; any other is named in an option."""
    for name, known in KNOWN_MODELS.items():
        what = name, known.used_by, ""
        if importlib.util.find_spec("huggingface_hub") is None:
            yield WeightsEntry(
                *what, "missing", advice="the package huggingface_hub, which comes with transformers, is missing"
            )
            continue
        try:
            found = find_model(ModelName(name))
        except ConfigError as error:
            yield WeightsEntry(*what, "missing", advice=str(error))
            continue
        sha256 = found.digests.get(WEIGHTS, found.network_digest)  # of a model whose weights are in several files
        yield WeightsEntry(*what, "verified" if known.sha256 else "here", sha256[:12], str(found.folder))
