"""Declarations of arrays."""

from __future__ import annotations

from typing import Any

import pytest

from affectstore.errors import StoreError
from affectstore.store.spec import ArraySpec


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dtype": "object"}, "'object' is not one of"),
        ({"dims": ("frame",)}, "1 axis names"),
        ({"shape": (0,)}, "at least 1"),
        ({"name": "offsets"}, "not a usable name"),
        ({"name": "values_offsets"}, "not a usable name"),
        ({"name": "../x"}, "not a usable name"),
        ({"codec": "jpeg"}, "jpeg holds uint8 images"),
        ({"codec": "lz4"}, "codec 'lz4' is not one of"),
        ({"columns": ("a", "b")}, "2 column names"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], told: str) -> None:
    declared = {"name": "values", "dtype": "float32", "dims": ("frame", "x"), "shape": (3,), **given}
    with pytest.raises(StoreError, match=told):
        ArraySpec(**declared)


def test_json_round_trip_keeps_everything() -> None:
    spec = ArraySpec("box", "float32", ("frame", "corner"), (2,), "zstd", "px", ("left", "top"))
    assert ArraySpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(("shape", "dims"), [((4, 5), 3), ((4, 5, 1), 4), ((4, 5, 3), 4)])
def test_jpeg_images_have_one_or_three_channels(shape: tuple[int, ...], dims: int) -> None:
    spec = ArraySpec("values", "uint8", tuple("fhwc"[:dims]), shape, "jpeg")
    assert spec.stored_shape == ()
    with pytest.raises(StoreError, match="jpeg"):
        ArraySpec("values", "uint8", tuple("fhwc"), (4, 5, 2), "jpeg")
