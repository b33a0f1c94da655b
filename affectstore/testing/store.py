"""Contract of a store as training reads it: values, rows, statuses and the table of clips."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest


class StoreContract:
    """Tests of an object that is read as `affectstore.open` is: inherit it, and define the three fixtures.

        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self): ...

    Features need a clip of three rows or more.
    """

    @pytest.fixture
    def store(self) -> Any:
        """The store, with the table `clips` and features by name."""
        raise NotImplementedError("define the fixture `store`: the opened store under test")

    @pytest.fixture
    def written(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """Feature -> clip id -> values (row, ...) that were written."""
        raise NotImplementedError("define the fixture `written`: the values that the store must return")

    @pytest.fixture
    def failed(self) -> Mapping[str, Mapping[str, str]]:
        """Feature -> clip id -> reason of each clip without values; by default there are none."""
        return {}

    def test_values_are_those_that_were_written(
        self, store: Any, written: Mapping[str, Mapping[str, np.ndarray]]
    ) -> None:
        """Values have the written type, shape and elements."""
        for name, clips in written.items():
            for clip_id, values in clips.items():
                np.testing.assert_array_equal(store[name][clip_id], values, strict=True)
                assert store[name].rows(clip_id) == len(values)

    def test_the_spec_is_that_of_the_values(self, store: Any, written: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """`spec` has the type and shape of the rows."""
        for name, clips in written.items():
            values = next(iter(clips.values()))
            assert tuple(store[name].spec.shape) == values.shape[1:]
            assert np.dtype(store[name].spec.dtype) == values.dtype

    def test_rows_are_taken_in_any_order(self, store: Any, written: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Rows may be repeated and none; one beyond the clip is refused."""
        for name, clips in written.items():
            clip_id, values = max(clips.items(), key=lambda item: len(item[1]))
            for rows in ([2, 0, 2], [len(values) - 1], []):
                taken = store[name].take(clip_id, np.asarray(rows, dtype=np.int64))
                np.testing.assert_array_equal(taken, values[rows], strict=True)
            with pytest.raises(IndexError):
                store[name].take(clip_id, np.asarray([len(values)]))

    def test_every_clip_has_a_status(
        self,
        store: Any,
        written: Mapping[str, Mapping[str, np.ndarray]],
        failed: Mapping[str, Mapping[str, str]],
    ) -> None:
        """`status` has one row per clip: its number of rows, or the reason why it has none."""
        for name, clips in written.items():
            table = store[name].status.set_index("clip_id")
            reasons = failed.get(name, {})
            assert sorted(table.index) == sorted([*clips, *reasons])
            for clip_id, values in clips.items():
                assert tuple(table.loc[clip_id, ["status", "reason", "rows"]]) == ("ok", "", len(values))
            for clip_id, reason in reasons.items():
                assert tuple(table.loc[clip_id, ["reason", "rows"]]) == (reason, 0)
                assert table.loc[clip_id, "status"] in ("failed", "not_applicable")

    def test_unknown_names_are_refused(
        self,
        store: Any,
        written: Mapping[str, Mapping[str, np.ndarray]],
        failed: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Features and clips that are not there raise KeyError, and so do clips without values."""
        with pytest.raises(KeyError):
            store["no_such_feature"]
        for name in written:
            for clip_id in ("no such clip", *failed.get(name, {})):
                with pytest.raises(KeyError):
                    store[name][clip_id]

    def test_clips_are_listed(self, store: Any, written: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """The table of clips names every clip once, and the store lists every feature."""
        assert store.clips["clip_id"].is_unique
        assert set(store.clips["clip_id"]) >= {clip_id for clips in written.values() for clip_id in clips}
        assert set(store.features) >= set(written)

    def test_workers_read_the_same(self, store: Any, written: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """A store that was sent to another process reads the same values."""
        other = pickle.loads(pickle.dumps(store))
        for name, clips in written.items():
            for clip_id, values in clips.items():
                np.testing.assert_array_equal(other[name][clip_id], values)
