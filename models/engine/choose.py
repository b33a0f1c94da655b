"""Which combination of a grid is taken: the best on the validation side, in the mean over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from affectstore.models.base import TrainingError

#: What combinations of a baseline's options are compared by: networks have `train.monitor`.
BASELINES_BY = "uar"


def choose(worth: Sequence[Sequence[Mapping[str, float]] | None], monitor: str) -> tuple[int, float]:
    """The best combination and its score.

    All seeds of a fold get the same options, so that their spread is that of training alone.

    Args:
        worth: of each combination, in order, what each seed is worth on validation: loss, uar and accuracy; None
            where a seed could not be trained.
        monitor: "loss" (lower is better), "uar" or "accuracy" (higher is better).

    Returns:
        Its place, and its mean score. Of equal scores the one with the lower mean loss is taken, then the first.

    Raises:
        TrainingError: no combination could be trained.
    """
    means = {
        k: {name: fmean(seed[name] for seed in seeds) for name in ("loss", monitor)}
        for k, seeds in enumerate(worth)
        if seeds is not None
    }
    if not means:
        raise TrainingError("none of the combinations of the grid could be trained")
    sign = -1 if monitor == "loss" else 1
    best = max(means, key=lambda k: (sign * means[k][monitor], -means[k]["loss"]))
    return best, means[best][monitor]
