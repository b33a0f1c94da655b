"""Vectors of clips whose classes differ, baselines fitted to them, and experiments of one baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from affectstore.classification import class_recalls
from affectstore.config.experiment import Experiment
from affectstore.models.baseline_spec import BASELINES, Examples

CLASSES = ("ANG", "HAP", "SAD")

every = pytest.mark.parametrize("name", BASELINES.names())


def clips(count: int, seed: int = 0, classes: int = 3, columns: int = 6, shift: float = 4.0) -> Examples:
    """Clips whose class shifts a column of its own."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = rng.normal(size=(count, columns)).astype(np.float32)
    x[np.arange(count), y] += shift
    return Examples(tuple(f"{seed}-{k}" for k in range(count)), x, y.astype(np.int64))


def fitted(name: str, train: Examples, val: Examples | None, classes: int = 3, seed: int = 0, **options: Any) -> Any:
    """A baseline that is fitted to the training clips, and selected on the validation clips if any."""
    module = BASELINES.load(name)
    return module.fit(train, val, classes, seed, module.Options(**options))


def predicted(name: str, state: Any, given: Examples) -> np.ndarray:
    """Probabilities (clip, class) of a fitted baseline."""
    return BASELINES.load(name).probabilities(state, given.ids, given.x)


def uar(y: np.ndarray, p: np.ndarray) -> float:
    """Unweighted average recall of the most probable classes."""
    return float(class_recalls(y, p.argmax(axis=1)).mean())


def asked(cell: dict[str, Any], **changes: Any) -> Experiment:
    """An experiment of one cell, on functionals and face vectors."""
    given = {"audio": {"sequence": "functionals"}, "vision": {"sequence": "vggface"}}
    return Experiment(**{"title": "t", "corpus": "synthetic", "seeds": 1, "inputs": given, "cells": (cell,)} | changes)
