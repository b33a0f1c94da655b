"""Sizes and counts in messages, listings and the report."""

from __future__ import annotations

import pytest

from affectstore.errors import did_you_mean
from affectstore.wording import counted, size_text


def test_sizes_have_three_digits_and_decimal_units() -> None:
    shown = [size_text(n) for n in (0, 512, 2048, 5.26e6, 3e9, 2.5e12, float("nan"))]
    assert shown == ["0 B", "512 B", "2.05 kB", "5.26 MB", "3 GB", "2.5 TB", "–"]


def test_one_thing_has_no_plural() -> None:
    assert [counted(n, "clip") for n in (0, 1, 2, "1", "1 to 3")] == [
        "0 clips",
        "1 clip",
        "2 clips",
        "1 clip",
        "1 to 3 clips",
    ]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([], "known: none."),
        (["lld", "mfcc"], "known: lld, mfcc."),
        (["audio", "mel_image"], "known: audio, mel_image. Did you mean 'mel_image'?"),
        ([f"clip_{n:05d}" for n in range(101)], "101 are known, such as 'clip_00000'."),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(known: list[str], message: str) -> None:
    assert did_you_mean("mel_imag", known) == message


def test_of_many_names_the_three_nearest_are_suggested() -> None:
    known = [f"clip_{n:05d}" for n in range(30_000)]
    told = "30000 are known, such as 'clip_00000'. Did you mean 'clip_23456', 'clip_13456', 'clip_12456'?"
    assert did_you_mean("clip_123456", known) == told
    assert did_you_mean("kilp_00001", known) == "30000 are known, such as 'clip_00000'."
