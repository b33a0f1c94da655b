"""Windows over long sequences."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from affectstore.features.text._windows import windows


@given(length=st.integers(0, 3000), size=st.integers(1, 600), part=st.floats(0, 0.99))
def test_windows_keep_every_position_once_with_context(length: int, size: int, part: float):
    overlap = min(int(part * size), size - 1)
    cut = windows(length, size, overlap)
    assert [position for window in cut for position in range(length)[window.kept]] == list(range(length))
    for window in cut:
        assert 0 <= window.seen.start <= window.kept.start <= window.kept.stop <= window.seen.stop <= length
        assert window.seen.stop - window.seen.start == min(size, length)
    for one, other in pairwise(cut):
        assert one.seen.start < other.seen.start
        assert one.seen.stop - other.seen.start >= overlap
        assert one.seen.stop - one.kept.stop >= overlap // 2
        assert other.kept.start - other.seen.start >= overlap // 2
