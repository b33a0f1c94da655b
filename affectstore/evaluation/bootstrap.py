"""Percentile confidence intervals by resampling speakers and seeds.

Clips of one speaker are not independent, and neither are clips scored by one trained network: so whole speakers and
whole seeds are resampled with replacement (two-way cluster bootstrap; Owen 2007, "The pigeonhole bootstrap", Ann. Appl.
Stat. 1(2); Efron & Tibshirani 1993, section 13.3, for the percentiles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affectstore.evaluation.confusion_counts import ConfusionCounts, Floats
from affectstore.evaluation.metrics import measure

RESAMPLES = 1000
LEVEL = 0.95
RNG_SEED = 0


@dataclass(frozen=True)
class Interval:
    """Bounds of one number; NaN if it is undefined in every resample."""

    low: float
    high: float


def intervals(
    counts: ConfusionCounts, labels: Sequence[str], resamples: int = RESAMPLES, rng_seed: int = RNG_SEED
) -> dict[str, Interval]:
    """Compute the 95 % interval of every metric's mean over seeds.

    Args:
        counts: Counts with leading axes (seed, speaker).
        labels: Class labels.
        resamples: Number of resamples.
        rng_seed: Seed of the resamples: the same ones for every cell with as many seeds and speakers.

    Returns:
        Metric name -> interval.
    """
    seeds, speakers = counts.loss_sum.shape
    rng = np.random.default_rng(rng_seed)
    speaker_weights = _resample_counts(rng, resamples, speakers)
    seed_weights = _resample_counts(rng, resamples, seeds)
    resampled = ConfusionCounts(
        np.einsum("ds,rsij->drij", speaker_weights, counts.confusion, optimize=True),
        speaker_weights @ counts.loss_sum.T,
    )
    tail = 100 * (1 - LEVEL) / 2
    found = {}
    for name, values in measure(resampled, labels).items():
        means = _weighted_mean(values, seed_weights)
        means = means[np.isfinite(means)]
        found[name] = (
            Interval(*np.percentile(means, [tail, 100 - tail]).tolist()) if len(means) else Interval(np.nan, np.nan)
        )
    return found


def _resample_counts(rng: np.random.Generator, resamples: int, n: int) -> Floats:
    """Number of times that each of `n` items occurs in a resample of `n` with replacement, (resample, item)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def _weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Average (resample, seed) over the seeds with a finite value, (resample,)."""
    weights = np.where(np.isfinite(values), weights, 0.0)
    total = weights.sum(axis=1)
    summed = np.where(np.isfinite(values), values, 0.0) * weights
    return np.divide(summed.sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
