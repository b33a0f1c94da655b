"""The contract of classical baselines: one file each, found by its name.

A file `models/baselines/<name>.py` declares

- `SPEC`, a `BaselineSpec`;
- `Options`, a frozen `Settings`; a `ReadingOptions` where the baseline looks at the features;
- `fit(train, val, classes, seed, options) -> Fit`: `train` and `val` are `Examples`, `val` is None without a
  validation side, `classes` is how many classes the tables have. The test side is not there to be seen;
- `probabilities(state, ids, x) -> array`: float64 (clip, class), from the numbers that `fit` gave, so that a saved
  baseline predicts as the fitted one did.

All are called with positional arguments. Both are pure functions: numbers follow from the arguments alone, and what
a clip gives not from the clips beside it.

Axes: x is float32 (clip, column), standardised by the training side; y int64 (clip,), places in the tables'
order of classes. A class may be missing from the training side: it gets probability 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import TrainingError
from affectstore.registry import Registry

BASELINES = Registry("baseline", ("affectstore.models.baselines",))

Pool = Literal["mean", "mean_std"]


@dataclass(frozen=True)
class BaselineSpec:
    """What a baseline is.

    Attributes:
        version: bumped whenever the same clips, options and seed give other predictions.
        summary: one line for the docs.
        reads: whether it looks at the features, or at labels alone.
        badge: what each of its rows has to say of itself in every table; '' for nothing.
    """

    version: int
    summary: str
    reads: bool
    badge: str = ""


class ReadingOptions(Settings):
    """Options of a baseline that looks at the features."""

    pool: Pool = Field(
        default="mean_std",
        description="What becomes of a clip's rows: the `mean` of each column over time, or mean and standard "
        "deviation. A feature of one row a clip (functionals) is taken as it is.",
    )


class Examples(NamedTuple):
    """Clips of one side.

    Attributes:
        ids: clip ids.
        x: float32 (clip, column); without columns for a baseline that reads none.
        y: int64 (clip,).
    """

    ids: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Fit:
    """A fitted baseline.

    Attributes:
        state: all that it predicts from, by name.
        parameters: how many numbers were learnt.
        chosen_by: what was chosen on the validation side, and what came out.
        tried: one row for each setting that was compared there.
        history: one row for each step of what is fitted step by step: epoch, train_loss, val_loss.
        best_epoch: the step that was chosen; none where there are no steps.
    """

    state: Mapping[str, np.ndarray]
    parameters: int
    chosen_by: str
    tried: tuple[Mapping[str, float], ...] = ()
    history: tuple[Mapping[str, float], ...] = ()
    best_epoch: int | None = None


def class_shares(y: np.ndarray, classes: int) -> np.ndarray:
    """float64 (class,), the share of each class."""
    return np.bincount(y, minlength=classes) / len(y)


def seen_classes(y: np.ndarray) -> np.ndarray:
    """int64, the classes that occur, in order.

    Raises:
        TrainingError: there is only one, so that there is nothing to tell apart.
    """
    seen = np.unique(y)
    if len(seen) < 2:
        raise TrainingError(
            f"all {len(y)} clips of the training side have one label, so there is nothing to tell apart; look at "
            "`classes` and `select` of the experiment, or train on more clips"
        )
    return seen


def softmax(scores: np.ndarray) -> np.ndarray:
    """Scores (clip, class) as probabilities, float64; a score of minus infinity is a probability of 0."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def uar(y: np.ndarray, p: np.ndarray) -> float:
    """Unweighted average recall over the classes that occur; the predicted class is the first of the most probable."""
    hit = p.argmax(axis=1) == y
    return float(np.mean([hit[y == label].mean() for label in np.unique(y)]))
