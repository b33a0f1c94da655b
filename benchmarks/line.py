"""A line of the benchmark table: Name of the measurement, against what, and the budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measurement beside its baseline, both taken in the same run.

    Attributes:
        what: Name of the measurement.
        ours, baseline: Readable values.
        ratio: Ours against the baseline, readable.
        budget: Budget; "" for a line that only explains another one.
        holds: True if the budget is kept; None without a budget.
    """

    what: str
    ours: str
    baseline: str
    ratio: str
    budget: str = ""
    holds: bool | None = None


def at_most(what: str, ours: str, baseline: str, ratio: float, most: float | None = None) -> Line:
    """A line whose ratio, ours against the baseline, should not be above `most`."""
    if most is None:
        return Line(what, ours, baseline, f"{ratio:.2f}")
    return Line(what, ours, baseline, f"{ratio:.2f}", f"<= {most:g}", ratio <= most)


def at_least(what: str, ours: str, baseline: str, ratio: float, least: float | None = None) -> Line:
    """A line whose ratio should not be below `least`."""
    if least is None:
        return Line(what, ours, baseline, f"{ratio:.2f}")
    return Line(what, ours, baseline, f"{ratio:.2f}", f">= {least:g}", ratio >= least)


def limit(what: str, value: float, unit: str, most: float) -> Line:
    """A line that has no baseline, only a limit."""
    return Line(what, f"{value:.1f} {unit}", "", "", f"<= {most:g} {unit}", value <= most)
