"""Percentile confidence intervals by resampling speakers and seeds.

Clips of one speaker are not independent, and neither are clips scored by one trained network: so whole
speakers and whole seeds are drawn with replacement (a two-way cluster bootstrap; Owen 2007, "The pigeonhole
bootstrap", Ann. Appl. Stat. 1(2); Efron & Tibshirani 1993, section 13.3, for the percentiles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.base import measure
from affectstore.evaluation.tally import Floats, Tally

DRAWS = 1000
LEVEL = 0.95
RNG_SEED = 0


@dataclass(frozen=True)
class Interval:
    """Bounds of one number; NaN where no draw had it."""

    low: float
    high: float


def intervals(
    tallies: Tally, labels: Sequence[str], draws: int = DRAWS, rng_seed: int = RNG_SEED
) -> dict[str, Interval]:
    """95 % interval of every metric's mean over seeds.

    Args:
        tallies: leading axes (seed, speaker).
        labels: class labels.
        draws: number of resamples.
        rng_seed: the draws are the same for every cell with as many seeds and speakers.

    Returns:
        Metric name -> interval.
    """
    seeds, speakers = tallies.loss_sum.shape
    rng = np.random.default_rng(rng_seed)
    speaker_weights = _resampled(rng, draws, speakers)
    seed_weights = _resampled(rng, draws, seeds)
    drawn = Tally(
        np.einsum("ds,rsij->drij", speaker_weights, tallies.confusion, optimize=True),
        speaker_weights @ tallies.loss_sum.T,
    )
    tail = 100 * (1 - LEVEL) / 2
    found = {}
    for name, values in measure(drawn, labels).items():
        means = _weighted_mean(values, seed_weights)
        means = means[np.isfinite(means)]
        found[name] = (
            Interval(*np.percentile(means, [tail, 100 - tail]).tolist()) if len(means) else Interval(np.nan, np.nan)
        )
    return found


def _resampled(rng: np.random.Generator, draws: int, n: int) -> Floats:
    """(draw, item), how often each of `n` items is drawn when `n` are drawn with replacement."""
    return rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)


def _weighted_mean(values: Floats, weights: Floats) -> npt.NDArray[np.float64]:
    """Mean over seeds (draw, seed) -> (draw,), leaving out seeds where the number does not exist."""
    weights = np.where(np.isfinite(values), weights, 0.0)
    total = weights.sum(axis=1)
    summed = np.where(np.isfinite(values), values, 0.0) * weights
    return np.divide(summed.sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
