"""Linear support vector machine, one versus rest (Fan et al. 2008, "LIBLINEAR").

The usual baseline of paralinguistics on openSMILE's functionals (Schuller et al. 2016, ComParE). Its cost C is chosen
on the validation subset by UAR, the smallest of equals. It is deterministic: all seeds give the same result. The
probabilities are a softmax of the signed distances to the hyperplanes, in the right order but not calibrated.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from affectstore.classification import class_recalls
from affectstore.models.baseline_spec import BaselineSpec, Examples, Fit, PoolingOptions, classes_present, softmax

SPEC = BaselineSpec(
    version=1,
    summary="linear support vector machine, cost chosen on validation",
    reads_features=True,
    badge="uncalibrated",
    paper="Fan et al. 2008, LIBLINEAR: A Library for Large Linear Classification",
)


class Options(PoolingOptions):
    """Options of `linear_svm`."""

    costs: tuple[PositiveFloat, ...] = Field(
        default=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0),
        min_length=1,
        description="Costs C that are compared on validation.",
    )
    cost: PositiveFloat = Field(default=1e-3, description="Cost C without a validation subset.")
    class_weight: Literal["none", "balanced"] = Field(
        default="none", description="`balanced`: classes weigh inversely to their frequency."
    )
    iterations: int = Field(default=10000, ge=1, description="Maximum passes over the training subset.")


def fit(train: Examples, val: Examples | None, num_classes: int, _seed: int, options: Options) -> Fit:
    """Fit one machine per cost, and choose.

    Raises:
        TrainingError: The training subset has one class.
    """
    present = classes_present(train.y)
    if val is None:
        state, _ = _fit(train, present, num_classes, options.cost, options)
        return Fit(state, _num_parameters(present, train.x), f"cost {options.cost:g}, as set")
    best: dict[str, np.ndarray] = {}
    tried: list[dict[str, float]] = []
    chosen = 0
    for k, cost in enumerate(sorted(options.costs)):
        state, passes = _fit(train, present, num_classes, cost, options)
        predicted = probabilities(state, val.ids, val.x).argmax(axis=1)
        val_uar = float(np.mean(class_recalls(val.y, predicted)))
        tried.append({"cost": cost, "val_uar": val_uar, "passes": passes})
        if k == 0 or tried[k]["val_uar"] > tried[chosen]["val_uar"]:
            best, chosen = state, k
    return Fit(best, _num_parameters(present, train.x), f"validation uar: cost {tried[chosen]['cost']:g}", tuple(tried))


def probabilities(state: Mapping[str, np.ndarray], _ids: Any, x: np.ndarray) -> np.ndarray:
    """Softmax (clip, class) of the signed distances, in units of the margin."""
    return softmax(x.astype(np.float64) @ state["coefficients"].T + state["intercepts"])


def _fit(
    train: Examples, present: np.ndarray, num_classes: int, cost: float, options: Options
) -> tuple[dict[str, np.ndarray], int]:
    """Hyperplanes of all classes, and the passes that the slowest one took."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    weight = None if options.class_weight == "none" else "balanced"
    machine = LinearSVC(C=cost, class_weight=weight, dual=True, max_iter=options.iterations, random_state=0)
    with warnings.catch_warnings():
        # A machine that is stopped early is valid; `tried` in run.json shows the passes.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(train.x, train.y)
    rows = present if len(present) > 2 else present[1:]  # of two classes, one hyperplane is the other's reverse
    coefficients = np.zeros((num_classes, train.x.shape[1]))
    intercepts = np.full(num_classes, -np.inf)
    intercepts[present] = 0.0
    coefficients[rows], intercepts[rows] = machine.coef_, machine.intercept_
    return {"coefficients": coefficients, "intercepts": intercepts}, int(np.max(machine.n_iter_))


def _num_parameters(present: np.ndarray, x: np.ndarray) -> int:
    planes = len(present) if len(present) > 2 else 1
    return planes * (x.shape[1] + 1)
