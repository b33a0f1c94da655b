"""Linear support vector machine, one class against the others (liblinear: Fan et al. 2008).

The plain baseline of paralinguistics on openSMILE's functionals (Schuller et al. 2016). Its cost C is chosen on
the validation side by UAR, the smallest of equals. It is deterministic: seeds give the same. The probabilities are a
softmax of the distances to the planes, in the right order but not calibrated.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from affectstore.models.baselines.base import BaselineSpec, Examples, Fit, ReadingOptions, seen_classes, softmax, uar

SPEC = BaselineSpec(
    version=1, summary="linear support vector machine, its cost chosen on validation", reads=True, badge="uncalibrated"
)


class Options(ReadingOptions):
    """Options of `linear_svm`."""

    costs: tuple[PositiveFloat, ...] = Field(
        default=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1, description="Costs C to choose from."
    )
    cost: PositiveFloat = Field(default=1e-3, description="Cost C where there is no validation side to choose on.")
    class_weight: Literal["none", "balanced"] = Field(
        default="none", description="`balanced`: errors on a class weigh as much as it is rare."
    )
    iterations: int = Field(default=10000, ge=1, description="Most passes over the training side.")


def fit(train: Examples, val: Examples | None, classes: int, _seed: int, options: Options) -> Fit:
    """Fit one machine a cost, and choose.

    Raises:
        TrainingError: the training side has one class.
    """
    seen = seen_classes(train.y)
    if val is None:
        state, _ = _fit(train, seen, classes, options.cost, options)
        return Fit(state, _count(seen, train.x), f"cost {options.cost:g}, as set")
    best: dict[str, np.ndarray] = {}
    tried: list[dict[str, float]] = []
    chosen = 0
    for k, cost in enumerate(sorted(options.costs)):
        state, passes = _fit(train, seen, classes, cost, options)
        tried.append({"cost": cost, "val_uar": uar(val.y, probabilities(state, val.ids, val.x)), "passes": passes})
        if k == 0 or tried[k]["val_uar"] > tried[chosen]["val_uar"]:
            best, chosen = state, k
    return Fit(best, _count(seen, train.x), f"validation uar: cost {tried[chosen]['cost']:g}", tuple(tried))


def probabilities(state: Mapping[str, np.ndarray], _ids: Any, x: np.ndarray) -> np.ndarray:
    """Softmax of the distances, in units of the margin."""
    return softmax(x.astype(np.float64) @ state["coefficients"].T + state["intercepts"])


def _fit(
    train: Examples, seen: np.ndarray, classes: int, cost: float, options: Options
) -> tuple[dict[str, np.ndarray], int]:
    """Planes of all classes, and the passes that the slowest one took."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    weight = None if options.class_weight == "none" else "balanced"
    machine = LinearSVC(C=cost, class_weight=weight, dual=True, max_iter=options.iterations, random_state=0)
    with warnings.catch_warnings():
        # Stopped early it is a machine like any other, and `tried` in run.json shows the passes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(train.x, train.y)
    rows = seen if len(seen) > 2 else seen[1:]  # of two classes, one plane is the other's reverse
    coefficients = np.zeros((classes, train.x.shape[1]))
    intercepts = np.full(classes, -np.inf)
    intercepts[seen] = 0.0
    coefficients[rows], intercepts[rows] = machine.coef_, machine.intercept_
    return {"coefficients": coefficients, "intercepts": intercepts}, int(np.max(machine.n_iter_))


def _count(seen: np.ndarray, x: np.ndarray) -> int:
    planes = len(seen) if len(seen) > 2 else 1
    return planes * (x.shape[1] + 1)
