"""A fitted baseline on disk: its numbers (safetensors) and what they are of (JSON). Nothing is pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from affectstore.errors import StoreError
from affectstore.files import write_atomic
from affectstore.models.baselines.base import BASELINES
from affectstore.models.classical.recipe import BaselineRecipe
from affectstore.models.classical.vectors import ClipVectors, ColumnScale, examples
from affectstore.models.engine.saved import WEIGHTS, read_record, write_record


@dataclass(frozen=True)
class FittedBaseline:
    """All that predictions follow from.

    Attributes:
        recipe: which baseline, on which features.
        scales: modality -> how its columns are standardised, in the order in which they are joined.
        state: the numbers that were fitted, by name.
    """

    recipe: BaselineRecipe
    scales: Mapping[str, ColumnScale]
    state: Mapping[str, np.ndarray]

    def probabilities(self, clips: ClipVectors, without: str | None = None) -> np.ndarray:
        """float32 (clip, class).

        Args:
            clips: as `load_vectors` reads them.
            without: a modality whose columns are set to the training side's mean.
        """
        given = examples(clips, self.scales, without)
        module = BASELINES.load(self.recipe.baseline.name)
        return module.probabilities(self.state, given.ids, given.x).astype(np.float32)


def save_baseline(folder: Path, fitted: FittedBaseline, digests: Mapping[str, str]) -> None:
    """Write a fitted baseline, and the digests of what it follows from."""
    arrays = {f"state.{name}": value for name, value in fitted.state.items()}
    for modality, scale in fitted.scales.items():
        arrays |= {f"mean.{modality}": scale.mean, f"std.{modality}": scale.std}
    record = {"format": 1, "digests": dict(digests), "recipe": fitted.recipe.model_dump(mode="json")}
    write_atomic(folder / WEIGHTS, save({name: np.asarray(value, order="C") for name, value in arrays.items()}))
    write_record(folder, record)


def load_baseline(folder: Path, expected: Mapping[str, str] | None = None) -> FittedBaseline:
    """A fitted baseline.

    Args:
        folder: of one run: results/runs/{experiment}/{cell}/{fold}/{seed}.
        expected: digests of what it must have been fitted on (settings, split, features and so on); none: anything.

    Raises:
        StoreError: the folder holds no fitted baseline.
        StaleError: it was fitted on something else than expected, or does not say on what.

    Example:
        >>> fitted = load_baseline(Path("results/runs/plain/linear_svm-audio/0/0"))  # doctest: +SKIP
    """
    try:
        recipe = read_record(folder, expected)["recipe"]
        arrays = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no fitted baseline: {error.filename} is missing") from None
    if "baseline" not in recipe:
        raise StoreError(f"{folder} holds a trained network, no baseline; `affectstore.models.engine.saved` loads it")
    known = BaselineRecipe(**recipe)
    scales = {m: ColumnScale(arrays[f"mean.{m}"], arrays[f"std.{m}"]) for m in known.modalities}
    state = {name.removeprefix("state."): value for name, value in arrays.items() if name.startswith("state.")}
    return FittedBaseline(known, scales, state)
