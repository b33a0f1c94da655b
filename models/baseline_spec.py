"""Contract of classical baselines: one file each, found by its name.

A file `baselines/<name>.py` holds `SPEC`, a `BaselineSpec`; `Options`, a `Settings`, or a `PoolingOptions` where the
baseline reads features; and two pure functions, called with positional arguments:

- `fit(train, val, num_classes, seed, options) -> Fit`: `train` and `val` are `Examples`, `val` is None without a
  validation subset. The test subset is never passed.
- `probabilities(state, ids, x) -> array`: float64 (clip, class), from the `state` of a `Fit`, so that a saved baseline
  predicts like the fitted one. The output of a clip must not depend on the other clips.

Axes: x is float32 (clip, column), standardised by the training subset; y int64 (clip,), indices of classes in the order
of the tables. A class that is missing from the training subset gets probability 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.spec import TrainingError
from affectstore.registry import Registry

BASELINES: Registry[Any] = Registry(
    "baseline", ("affectstore.models.baselines",), ("SPEC", "Options", "fit", "probabilities")
)

Pool = Literal["mean", "mean_std"]


@dataclass(frozen=True)
class BaselineSpec:
    """Description of a baseline.

    Attributes:
        version: Bumped whenever the same clips, options and seed give other predictions.
        summary: One line for the docs.
        reads_features: False where labels alone are used.
        badge: Note on each of its rows in every table; '' for none.
        paper: Source in one line: authors, year, title; None where there is none.
    """

    version: int
    summary: str
    reads_features: bool
    badge: str = ""
    paper: str | None = None


class PoolingOptions(Settings):
    """Options of a baseline that reads features."""

    pool: Pool = Field(
        default="mean_std",
        description="Statistics of each column over time: the `mean`, or mean and standard deviation. A feature of one "
        "row per clip (functionals) is used unchanged.",
    )


class Examples(NamedTuple):
    """Clips of one subset.

    Attributes:
        ids: Clip ids.
        x: float32 (clip, column); without columns for a baseline that reads no features.
        y: int64 (clip,).
    """

    ids: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Fit:
    """A fitted baseline.

    Attributes:
        state: Name -> array; predictions follow from these alone.
        num_parameters: Number of fitted numbers.
        chosen_by: Description of the choice made on the validation subset, and its result.
        tried: One row for each setting that was compared there.
        history: One row for each step of an iterative fit: epoch, train_loss, val_loss.
        best_epoch: The chosen step; None where there are no steps.
    """

    state: Mapping[str, np.ndarray]
    num_parameters: int
    chosen_by: str
    tried: tuple[Mapping[str, float], ...] = ()
    history: tuple[Mapping[str, float], ...] = ()
    best_epoch: int | None = None


def class_frequencies(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Relative frequency of each class, float64 (class,)."""
    return np.bincount(y, minlength=num_classes) / len(y)


def classes_present(y: np.ndarray) -> np.ndarray:
    """Classes that occur, int64, in order.

    Raises:
        TrainingError: Only one class occurs, so that there is nothing to classify.
    """
    present = np.unique(y)
    if len(present) < 2:
        raise TrainingError(
            f"all {len(y)} clips of the training subset have one label, so there is nothing to classify; look at "
            "`classes` and `select` of the experiment, or train on more clips"
        )
    return present


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores (clip, class) to probabilities, float64; a score of minus infinity is a probability of 0."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
