"""Trained networks on disk: weights (safetensors), and the recipe and digests that they belong to (JSON)."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from affectstore.errors import StoreError
from affectstore.files import write_atomic
from affectstore.models.cells.recipe import Recipe
from affectstore.models.data.batch import Scale
from affectstore.models.network import Network
from affectstore.models.run_files import WEIGHTS, read_record, write_record


def save_model(
    folder: Path, recipe: Recipe, scales: Mapping[str, Scale], state: Mapping[str, Tensor], digests: Mapping[str, str]
) -> None:
    """Write a network's weights, its recipe, the statistics of its training subset, and its digests."""
    write_atomic(folder / WEIGHTS, save({name: value.cpu().contiguous() for name, value in state.items()}))
    statistics = {modality: scale.to_json() for modality, scale in scales.items()}
    write_record(folder, digests, {"recipe": recipe.model_dump(mode="json"), "statistics": statistics})


def load_model(folder: Path, expected: Mapping[str, str] | None = None) -> tuple[Network, dict[str, Scale]]:
    """Load a trained network in evaluation mode, and the normalisation of its inputs.

    Args:
        folder: Folder of one run: results/runs/{experiment}/{cell}/{fold}/{seed}.
        expected: Digests that it must have been trained on (settings, split, features and so on); None for any.

    Raises:
        StoreError: The folder holds no trained network.
        StaleError: It was trained on something else than expected, does not state on what, or is of an earlier version.

    Example:
        >>> network, scales = load_model(Path("results/runs/quickstart/resnet18-audio/0/0"))  # doctest: +SKIP
    """
    try:
        record = read_record(folder, expected)
        state = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no trained network: {error.filename} is missing") from None
    if "encoders" not in record["recipe"]:
        raise StoreError(
            f"{folder} holds a fitted baseline, no network; `affectstore.models.baseline_fit.saved` loads it"
        )
    recipe = Recipe(**record["recipe"])
    network = Network(recipe.without_pretrained())
    network.load_state_dict(state)
    network.recipe = recipe
    return network.eval(), {modality: Scale.from_json(scale) for modality, scale in record["statistics"].items()}
