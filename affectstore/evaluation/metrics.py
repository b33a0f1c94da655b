"""Table of metrics: adding one is writing its function and its entry of `METRICS`.

A metric is a function of confusion counts rather than of single predictions, so that a bootstrap resample costs one
matrix product and no metric needs to know of resampling. Scores, intervals and the tidy table follow from the entry.

In the formulas TP, FP and FN are the true positives, false positives and false negatives of a class, and n is the
number of instances. A class without a test instance has no recall, precision or F1 (NaN) and no weight in a macro
average; without any instance, every ratio is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from affectstore.evaluation.confusion_counts import ConfusionCounts, Floats


def accuracy(counts: ConfusionCounts) -> Floats:
    """Accuracy, the same as weighted average recall (WAR): sum of TP / n."""
    return _ratio(counts.hits.sum(axis=-1), counts.n, np.nan)


def confusion(counts: ConfusionCounts) -> Floats:
    """Confusion matrix: number of instances by true class (rows) and predicted class (columns)."""
    return counts.confusion


def f1(counts: ConfusionCounts) -> Floats:
    """F1 of each class, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    return np.where(counts.support > 0, _ratio(2 * counts.hits, counts.support + counts.predicted, np.nan), np.nan)


def loss(counts: ConfusionCounts) -> Floats:
    """Mean negative log-likelihood of the true classes in nats: -sum of ln p(true class) / n."""
    return _ratio(counts.loss_sum, counts.n, np.nan)


def macro_f1(counts: ConfusionCounts) -> Floats:
    """Mean F1 of the tested classes; not the F1 of mean precision and mean recall."""
    return _macro_average(f1(counts), counts)


def macro_precision(counts: ConfusionCounts) -> Floats:
    """Mean precision of the tested classes."""
    return _macro_average(precision(counts), counts)


def micro_f1(counts: ConfusionCounts) -> Floats:
    """F1 with counts summed over classes: sum of 2 TP / sum of (2 TP + FP + FN).

    Each instance has one true and one predicted class, so the micro averages all equal the accuracy.
    """
    return _ratio(2 * counts.hits.sum(axis=-1), (counts.support + counts.predicted).sum(axis=-1), np.nan)


def micro_precision(counts: ConfusionCounts) -> Floats:
    """Precision with counts summed over classes: sum of TP / sum of (TP + FP)."""
    return _ratio(counts.hits.sum(axis=-1), counts.predicted.sum(axis=-1), np.nan)


def micro_recall(counts: ConfusionCounts) -> Floats:
    """Recall with counts summed over classes: sum of TP / sum of (TP + FN)."""
    return _ratio(counts.hits.sum(axis=-1), counts.support.sum(axis=-1), np.nan)


def precision(counts: ConfusionCounts) -> Floats:
    """Precision of each class: TP / (TP + FP); 0 for a tested class that was never predicted."""
    return np.where(counts.support > 0, _ratio(counts.hits, counts.predicted, 0.0), np.nan)


def recall(counts: ConfusionCounts) -> Floats:
    """Recall of each class: TP / (TP + FN)."""
    return _ratio(counts.hits, counts.support, np.nan)


def support(counts: ConfusionCounts) -> Floats:
    """Number of instances of each true class: TP + FN."""
    return counts.support


def uar(counts: ConfusionCounts) -> Floats:
    """Unweighted average recall (macro recall): mean recall of the tested classes.

    Measure of the INTERSPEECH 2009 Emotion Challenge (Schuller et al. 2009).
    """
    return _macro_average(recall(counts), counts)


def _ratio(part: Floats, whole: Floats, empty: float) -> Floats:
    """Divide `part` by `whole`; `empty` where `whole` is zero."""
    filled = np.full(np.broadcast_shapes(part.shape, whole.shape), empty, dtype=np.float64)
    return np.divide(part, whole, out=filled, where=whole != 0)


def _macro_average(values: Floats, counts: ConfusionCounts) -> Floats:
    """Average (..., class) over the classes with an instance; NaN if there is none."""
    tested = counts.support > 0
    return _ratio(np.where(tested, values, 0.0).sum(axis=-1), tested.sum(axis=-1).astype(np.float64), np.nan)


@dataclass(frozen=True)
class Metric:
    """Entry of the table of metrics.

    Attributes:
        name: Name in results/metrics and results/tables.
        title: Name in headings of tables and figures.
        compute: Function of counts with leading axes (...); it returns (..., *axes).
        axes: () for a single number, ("class",) for one per class, ("true", "predicted") for one per pair of classes.
        percent: True if values lie in [0, 1] and are shown in percent.
        better: Values that are better, "high" or "low"; None for counts.
    """

    name: str
    title: str
    compute: Callable[[ConfusionCounts], Floats]
    axes: tuple[str, ...] = ()
    percent: bool = True
    better: Literal["high", "low"] | None = "high"

    @property
    def heading(self) -> str:
        """Column heading with the unit."""
        return f"{self.title} %" if self.percent else self.title


#: Name -> metric, in alphabetical order: that of the rows in results/metrics and results/tables.
METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "WAR", accuracy),
        Metric("confusion", "Confusion", confusion, ("true", "predicted"), percent=False, better=None),
        Metric("f1", "F1", f1, ("class",)),
        Metric("loss", "Loss", loss, percent=False, better="low"),
        Metric("macro_f1", "Macro F1", macro_f1),
        Metric("macro_precision", "Macro precision", macro_precision),
        Metric("macro_recall", "Macro recall", uar),
        Metric("micro_f1", "Micro F1", micro_f1),
        Metric("micro_precision", "Micro precision", micro_precision),
        Metric("micro_recall", "Micro recall", micro_recall),
        Metric("precision", "Precision", precision, ("class",)),
        Metric("recall", "Recall", recall, ("class",)),
        Metric("support", "Clips", support, ("class",), percent=False, better=None),
        Metric("uar", "UAR", uar),
    )
}


def measure(counts: ConfusionCounts, labels: Sequence[str]) -> dict[str, Floats]:
    """Compute every metric, one entry per number.

    Args:
        counts: Counts with leading axes (...).
        labels: Class labels, in the order of the counts.

    Returns:
        Name -> array (...). Per-class metrics are named `recall:ANG`, counts of pairs `confusion:ANG>SAD`
        (true > predicted).
    """
    measured: dict[str, Floats] = {}
    for name, metric in METRICS.items():
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
