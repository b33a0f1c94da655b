"""The contract of a metric: one file in `metrics/`, found by its name.

A metric module declares

- `LABEL`: its heading in tables;
- `PERCENT`: whether it is shown in percent;
- `BETTER`: "high", "low" or None where neither is better (counts);
- `AXES`: the axes of its values beyond one number: `()`, `("class",)` or `("true", "predicted")`;
- `compute(tally) -> array` of shape (..., *AXES), where (...) are the tally's leading axes.

Metrics are functions of a tally, not of single predictions, so that a bootstrap draw costs one matrix
product and no metric needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.tally import Tally, tally
from affectstore.registry import Registry

METRICS: Registry[Any] = Registry(
    "metric", ("affectstore.evaluation.metrics",), ("LABEL", "PERCENT", "BETTER", "AXES", "compute")
)


@dataclass(frozen=True)
class Metric:
    """One metric as its file declares it."""

    name: str
    label: str
    percent: bool
    better: Literal["high", "low"] | None
    axes: tuple[str, ...]
    compute: Callable[[Tally], npt.NDArray[np.float64]]

    @classmethod
    def load(cls, name: str) -> Metric:
        """The metric that `metrics/<name>.py` declares.

        Raises:
            UnknownNameError: no file of the folder has this name.
        """
        module: Any = METRICS.load(name)
        return cls(name, module.LABEL, module.PERCENT, module.BETTER, tuple(module.AXES), module.compute)


def measure(counts: Tally, labels: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Every metric of a tally, one entry per number.

    Args:
        counts: tally with leading axes (...).
        labels: class labels, in the order of the tally.

    Returns:
        Name -> array (...). Per-class metrics are named `recall:ANG`, counts of pairs `confusion:ANG>SAD`
        (true > predicted).
    """
    measured: dict[str, npt.NDArray[np.float64]] = {}
    for name in METRICS.names():
        metric = Metric.load(name)
        values = metric.compute(counts)
        if not metric.axes:
            measured[name] = values
        elif metric.axes == ("class",):
            measured |= {f"{name}:{label}": values[..., k] for k, label in enumerate(labels)}
        else:
            measured |= {
                f"{name}:{true}>{predicted}": values[..., i, j]
                for i, true in enumerate(labels)
                for j, predicted in enumerate(labels)
            }
    return measured


def evaluate(y: Sequence[str], p: npt.NDArray[np.floating[Any]], labels: Sequence[str]) -> dict[str, float]:
    """Every metric of labelled probabilities.

    Args:
        y: true label of each instance.
        p: probabilities (instance, class), classes in the order of `labels`.
        labels: class labels.

    Returns:
        Name -> number, as in `measure`.

    Example:
        >>> scores = evaluate(["a", "b", "b"], np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), ["a", "b"])
        >>> scores["accuracy"], scores["uar"]
        (0.6666666666666666, 0.75)
    """
    index = {label: k for k, label in enumerate(labels)}
    true = np.array([index[label] for label in y], dtype=np.int64)
    return {name: float(value) for name, value in measure(tally(true, p), labels).items()}
