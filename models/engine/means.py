"""Running means."""

from __future__ import annotations


class Means:
    """Means of what is added up, by name, in the order in which the names first came."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, float] = {}

    def add(self, name: str, total: float, count: float) -> None:
        """Add the sum of so many values."""
        self._sums[name] = self._sums.get(name, 0.0) + total
        self._counts[name] = self._counts.get(name, 0.0) + count

    def __getitem__(self, name: str) -> float:
        """The mean of all values; 0 of none."""
        return self._sums[name] / self._counts[name] if self._counts[name] else 0.0

    def under(self, prefix: str) -> dict[str, float]:
        """Name -> mean, of the names that begin so."""
        return {name: self[name] for name in self._sums if name.startswith(prefix)}
