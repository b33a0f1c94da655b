"""A line of the benchmark table: what was measured, against what, and the budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measurement beside its baseline, both taken in the same run.

    Attributes:
        what: what was measured.
        ours, baseline: readable values.
        ratio: ours against the baseline, readable.
        budget: what it should be.
        holds: whether it is; None where there is no budget.
    """

    what: str
    ours: str
    baseline: str
    ratio: str
    budget: str
    holds: bool | None
