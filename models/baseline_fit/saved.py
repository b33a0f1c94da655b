"""Fitted baselines on disk: their numbers (safetensors), recipe and digests (JSON). Nothing is pickled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from affectstore.errors import StoreError
from affectstore.files import write_atomic
from affectstore.models.baseline_fit.vectors import ClipVectors, ColumnScale, standardise
from affectstore.models.baseline_spec import BASELINES
from affectstore.models.cells.recipe import BaselineRecipe
from affectstore.models.run_files import WEIGHTS, read_record, write_record


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline.

    Attributes:
        recipe: The baseline and its features.
        scales: Modality -> standardisation of its columns, in the order in which they are joined.
        state: Name -> fitted numbers.
    """

    recipe: BaselineRecipe
    scales: Mapping[str, ColumnScale]
    state: Mapping[str, np.ndarray]

    def probabilities(self, clips: ClipVectors, without: str | None = None) -> np.ndarray:
        """Class probabilities, float32 (clip, class).

        Args:
            clips: As read by `load_vectors`.
            without: A modality whose columns are set to the mean of the training subset.
        """
        given = standardise(clips, self.scales, without)
        module = BASELINES.load(self.recipe.baseline.name)
        return module.probabilities(self.state, given.ids, given.x).astype(np.float32)


def save_baseline(folder: Path, fitted: FittedBaseline, digests: Mapping[str, str]) -> None:
    """Write a fitted baseline and its digests."""
    arrays = {f"state.{name}": value for name, value in fitted.state.items()}
    for modality, scale in fitted.scales.items():
        arrays |= {f"mean.{modality}": scale.mean, f"std.{modality}": scale.std}
    write_atomic(folder / WEIGHTS, save({name: np.asarray(value, order="C") for name, value in arrays.items()}))
    write_record(folder, digests, {"recipe": fitted.recipe.model_dump(mode="json")})


def load_baseline(folder: Path, expected: Mapping[str, str] | None = None) -> FittedBaseline:
    """Load a fitted baseline.

    Args:
        folder: Folder of one run: results/runs/{experiment}/{cell}/{fold}/{seed}.
        expected: Digests that it must have been fitted on (settings, split, features and so on); None for any.

    Raises:
        StoreError: The folder holds no fitted baseline.
        StaleError: It was fitted on something else than expected, or is of an earlier version.

    Example:
        >>> fitted = load_baseline(Path("results/runs/plain/linear_svm-audio/0/0"))  # doctest: +SKIP
    """
    try:
        recipe = read_record(folder, expected)["recipe"]
        arrays = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no fitted baseline: {error.filename} is missing") from None
    if "baseline" not in recipe:
        raise StoreError(
            f"{folder} holds a trained network, no baseline; `affectstore.models.training.saved_model` loads it"
        )
    known = BaselineRecipe(**recipe)
    scales = {m: ColumnScale(arrays[f"mean.{m}"], arrays[f"std.{m}"]) for m in known.modalities}
    state = {name.removeprefix("state."): value for name, value in arrays.items() if name.startswith("state.")}
    return FittedBaseline(known, scales, state)
