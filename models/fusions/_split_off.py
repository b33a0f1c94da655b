"""One modality and the others, by its place in the cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

T = TypeVar("T")


def split_off(by_modality: Mapping[str, T], place: Literal["first", "last"]) -> tuple[T, list[T]]:
    """What belongs to the first or last modality, and what belongs to the others, in their order."""
    *others, last = by_modality.values()
    if place == "last":
        return last, others
    return others[0], [*others[1:], last]
