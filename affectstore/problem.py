"""Reasons as values: a problem that a person has to solve, and its place."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """Reason why something cannot be used.

    Attributes:
        where: File, experiment, cell or corpus.
        message: Reason, and what can be done.
    """

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"
