"""A trained network on disk: weights (safetensors) and what rebuilds it (JSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from affectstore.errors import StoreError
from affectstore.files import write_atomic
from affectstore.models.data.scale import Scale
from affectstore.models.network import Network
from affectstore.models.recipe import Recipe

WEIGHTS, RECIPE = "model.safetensors", "model.json"


def save_model(folder: Path, recipe: Recipe, scales: Mapping[str, Scale], state: Mapping[str, Tensor]) -> None:
    """Write a network's weights, recipe and statistics of its training side."""
    record = {
        "format": 1,
        "recipe": recipe.model_dump(mode="json"),
        "statistics": {modality: scale.model_dump() for modality, scale in scales.items()},
    }
    write_atomic(folder / WEIGHTS, save({name: value.cpu().contiguous() for name, value in state.items()}))
    write_atomic(folder / RECIPE, (json.dumps(record, indent=1) + "\n").encode())


def load_model(folder: Path) -> tuple[Network, dict[str, Scale]]:
    """A trained network in evaluation mode, and how its inputs are normalised.

    Args:
        folder: of one run: results/runs/{experiment}/{cell}/{fold}/{seed}.

    Raises:
        StoreError: the folder holds no trained network.

    Example:
        >>> network, scales = load_model(Path("results/runs/quickstart/simple3d-audio/0/0"))  # doctest: +SKIP
    """
    try:
        record = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        state = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no trained network: {error.filename} is missing") from None
    recipe = Recipe(**record["recipe"])
    network = Network(recipe.from_scratch)
    network.load_state_dict(state)
    network.recipe = recipe
    return network.eval(), {modality: Scale(**scale) for modality, scale in record["statistics"].items()}
