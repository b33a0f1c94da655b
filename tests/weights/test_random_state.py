"""Random weights: the same on every machine, and of a scale that preserves activations."""

from __future__ import annotations

import numpy as np
import pytest

from affectstore.errors import ConfigError
from affectstore.weights.random import RANDOM_DIGEST, is_random, random_state

SHAPES = {
    "conv.weight": (16, 8, 3, 3),
    "conv.bias": (16,),
    "bn.weight": (16,),
    "bn.bias": (16,),
    "bn.running_mean": (16,),
    "bn.running_var": (16,),
    "bn.num_batches_tracked": (),
    "fc.weight": (4, 16),
}


def test_the_values_that_the_digest_stands_for() -> None:
    """Pin the values; change RANDOM_DIGEST with them, or stores mix two networks."""
    state = random_state(SHAPES)
    assert RANDOM_DIGEST == "random:0"
    np.testing.assert_array_equal(
        state["fc.weight"][0, :3].view(np.uint32), np.array([1045592513, 3201738027, 3195520904], dtype=np.uint32)
    )
    assert state["bn.weight"].tolist() == state["bn.running_var"].tolist() == [1] * 16
    for name in ("conv.bias", "bn.bias", "bn.running_mean", "bn.num_batches_tracked"):
        assert not state[name].any()
    assert state["bn.num_batches_tracked"].dtype == np.int64


def test_kernels_keep_the_size_of_what_passes() -> None:
    kernel = random_state({"conv.weight": (64, 32, 3, 3)})["conv.weight"]
    bound = np.sqrt(6 / (32 * 9))
    assert kernel.dtype == np.float32
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert abs(kernel.mean()) < 0.01 * bound
    assert kernel.var() == pytest.approx(2 / (32 * 9), rel=0.02)


def test_a_tensor_depends_on_its_own_name_and_shape_alone() -> None:
    alone = random_state({"fc.weight": (4, 16)})["fc.weight"]
    np.testing.assert_array_equal(alone, random_state(SHAPES)["fc.weight"])
    assert not np.array_equal(alone, random_state({"fd.weight": (4, 16)})["fd.weight"])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"gru\.h0 is of no linear"):
        random_state({"gru.h0": (3,)})


def test_what_counts_as_random() -> None:
    assert is_random(RANDOM_DIGEST)
    assert is_random("random:7")
    assert not is_random(None)
    assert not is_random("ab" * 32)
