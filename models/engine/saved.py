"""A trained network on disk: weights (safetensors), and what rebuilds it and what it was trained on (JSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from affectstore.errors import StaleError, StoreError
from affectstore.files import write_atomic
from affectstore.models.data.scale import Scale
from affectstore.models.network import Network
from affectstore.models.recipe import Recipe

WEIGHTS, RECIPE = "model.safetensors", "model.json"


def save_model(
    folder: Path, recipe: Recipe, scales: Mapping[str, Scale], state: Mapping[str, Tensor], digests: Mapping[str, str]
) -> None:
    """Write a network's weights, recipe, statistics of its training side, and the digests of what it follows from."""
    record = {
        "format": 1,
        "digests": dict(digests),
        "recipe": recipe.model_dump(mode="json"),
        "statistics": {modality: scale.model_dump() for modality, scale in scales.items()},
    }
    write_atomic(folder / WEIGHTS, save({name: value.cpu().contiguous() for name, value in state.items()}))
    write_record(folder, record)


def load_model(folder: Path, expected: Mapping[str, str] | None = None) -> tuple[Network, dict[str, Scale]]:
    """A trained network in evaluation mode, and how its inputs are normalised.

    Args:
        folder: of one run: results/runs/{experiment}/{cell}/{fold}/{seed}.
        expected: digests of what it must have been trained on (settings, split, features and so on); none: anything.

    Raises:
        StoreError: the folder holds no trained network.
        StaleError: it was trained on something else than expected, or does not say on what.

    Example:
        >>> network, scales = load_model(Path("results/runs/quickstart/resnet18-audio/0/0"))  # doctest: +SKIP
    """
    try:
        record = read_record(folder, expected)
        state = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no trained network: {error.filename} is missing") from None
    recipe = Recipe(**record["recipe"])
    network = Network(recipe.from_scratch)
    network.load_state_dict(state)
    network.recipe = recipe
    return network.eval(), {modality: Scale(**scale) for modality, scale in record["statistics"].items()}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write model.json."""
    write_atomic(folder / RECIPE, (json.dumps(record, indent=1) + "\n").encode())


def read_record(folder: Path, expected: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What model.json of a run holds.

    Args:
        folder: of the run.
        expected: digests that it must carry; it may carry more.

    Raises:
        FileNotFoundError: there is none.
        StaleError: it was trained on something else than expected, or does not say on what.
    """
    path = folder / RECIPE
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if expected is None:
        return record
    again = f"delete {folder.parent}, and `affectstore run` trains it again"
    if "digests" not in record:
        raise StaleError(f"{path} does not say what it was trained on, as those of earlier versions; {again}")
    for part, value in expected.items():
        if (found := record["digests"].get(part)) != value:
            raise StaleError(
                f"{path} was trained on another {part}: its digest is {str(found)[:12]}, expected is {value[:12]}; "
                f"{again}"
            )
    return record


def restamp(folder: Path, digests: Mapping[str, str]) -> None:
    """Let model.json carry other digests: those of the run that takes over what a trial of its grid has trained."""
    write_record(folder, {**read_record(folder), "digests": dict(digests)})
