"""Repeated iteration over a clip's frames."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace

import pytest

from affectstore.features.video import _video_frames as walked
from affectstore.media.decode_video import TimedFrame


class _Frame:
    """Stand-in for a decoded frame of a known size."""

    alive = most = 0

    def __init__(self) -> None:
        self.planes = [SimpleNamespace(buffer_size=100)]
        _Frame.alive += 1
        _Frame.most = max(_Frame.most, _Frame.alive)

    def __del__(self) -> None:
        _Frame.alive -= 1


@pytest.mark.parametrize(("kept_bytes", "walks", "most"), [(1000, 1, 10), (999, 3, 13)])
def test_pictures_are_kept_while_they_are_few(monkeypatch: pytest.MonkeyPatch, kept_bytes: int, walks: int, most: int):
    begun = []

    def walk() -> Iterator[tuple[TimedFrame, int]]:
        begun.append(True)
        for k in range(10 if kept_bytes == 1000 else 50):
            yield TimedFrame(_Frame(), Fraction(k, 10), Fraction(k + 1, 10)), 1

    monkeypatch.setattr(walked, "KEPT_BYTES", kept_bytes)
    _Frame.most = _Frame.alive
    shown = walked.VideoFrames(walk)
    lengths = [sum(1 for _ in shown) for _ in range(3)]
    assert lengths == [len(shown.starts)] * 3
    assert shown.starts[:2] == [0, Fraction(1, 10)]
    assert len(begun) == walks
    assert _Frame.most <= most
