"""I3D: padding, names and sizes as published, and both heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from affectstore.models.encoders.i3d import I3D, InceptionI3D, Options, Unit3D, max_pool_same, pad_same
from affectstore.models.spec import ClipShape

UNITS = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
MIXED = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "before", "after"),
    [
        (16, 7, 2, 2, 3),
        (15, 7, 2, 3, 3),
        (5, 3, 2, 1, 1),
        (4, 3, 2, 0, 1),
        (5, 2, 2, 0, 1),
        (4, 2, 2, 0, 0),
        (1, 3, 1, 1, 1),
    ],
)
def test_same_padding_as_in_tensorflow(length: int, kernel: int, stride: int, before: int, after: int) -> None:
    values = torch.arange(1.0, length + 1).view(1, 1, length, 1, 1)
    padded = pad_same(values, (kernel, 1, 1), (stride, 1, 1)).flatten()
    assert padded.tolist() == [0.0] * before + list(range(1, length + 1)) + [0.0] * after


@given(st.tuples(*[st.integers(1, 20)] * 3), st.integers(1, 7), st.integers(1, 3))
def test_a_padded_axis_shrinks_to_the_stride_rounded_up(shape: tuple[int, int, int], kernel: int, stride: int) -> None:
    pooled = max_pool_same(torch.rand(1, 2, *shape), (kernel,) * 3, (stride,) * 3)
    assert pooled.shape[2:] == tuple(-(-length // stride) for length in shape)


def test_a_unit_is_a_plain_loop() -> None:
    torch.manual_seed(0)
    unit = Unit3D(2, 3, 3, stride=2).double().eval()
    unit.bn.running_mean.normal_()
    unit.bn.running_var.uniform_(0.5, 2)
    values = torch.randn(1, 2, 4, 5, 3, dtype=torch.float64)
    kernel, source = unit.conv3d.weight.detach().numpy(), values.numpy()
    first = [0, 1, 1]  # zeros before lengths 4, 5 and 3
    expected = np.zeros((3, 2, 3, 2))
    for o in np.ndindex(expected.shape):
        total = 0.0
        for c, *k in np.ndindex(2, 3, 3, 3):
            at = [2 * o[axis + 1] + k[axis] - first[axis] for axis in range(3)]
            if all(0 <= at[axis] < source.shape[axis + 2] for axis in range(3)):
                total += kernel[(o[0], c, *k)] * source[(0, c, *at)]
        mean, var = unit.bn.running_mean[o[0]].item(), unit.bn.running_var[o[0]].item()
        expected[o] = max(0.0, (total - mean) / np.sqrt(var + 1e-3))
    np.testing.assert_allclose(unit(values).detach().numpy()[0], expected, rtol=1e-10, atol=1e-12)


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    with torch.device("meta"):
        state = InceptionI3D(3).state_dict()
    units = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"] + [f"Mixed_{m}.{u}" for m in MIXED for u in UNITS]
    entries = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert len(units) == 57
    assert set(state) == {f"{u}.conv3d.weight" for u in units} | {f"{u}.bn.{e}" for u in units for e in entries}
    for name, shape in {
        "Conv3d_1a_7x7": (64, 3, 7, 7, 7),
        "Conv3d_2c_3x3": (192, 64, 3, 3, 3),
        "Mixed_3b.b1b": (128, 96, 3, 3, 3),
        "Mixed_4b.b0": (192, 480, 1, 1, 1),
        "Mixed_4f.b3b": (128, 528, 1, 1, 1),
        "Mixed_5c.b2b": (128, 48, 3, 3, 3),
    }.items():
        assert state[f"{name}.conv3d.weight"].shape == shape


@pytest.mark.parametrize(
    ("shape", "last"),
    [
        ((135, 224, 224), (17, 7, 7)),
        ((16, 112, 112), (2, 4, 4)),
        ((5, 32, 32), (1, 1, 1)),
        ((64, 224, 448), (8, 7, 14)),
    ],
)
def test_the_last_map_is_an_eighth_and_a_thirty_second(shape: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        assert InceptionI3D(3).eval()(torch.zeros(1, 3, *shape)).shape == (1, 1024, *last)


def test_averaged_features_give_the_averaged_logits_of_the_published_classifier() -> None:
    """The published network averages logits of a 1x1x1 convolution over time; a linear layer on the vector is equal."""
    torch.manual_seed(0)
    encoder = I3D(ClipShape(channels=1, height_px=40, width_px=72, frames=24), Options()).eval()
    values = torch.randn(2, 1, 24, 40, 72)
    head = torch.nn.Linear(1024, 6)
    with torch.no_grad():
        ours = head(encoder(values, torch.ones(2, 24, dtype=torch.bool)).vector)
        pooled = F.avg_pool3d(encoder.network(values), (2, 2, 3), stride=1)
        theirs = F.conv3d(pooled, head.weight[:, :, None, None, None], head.bias).mean(dim=(2, 3, 4))
    assert pooled.shape[2:] == (2, 1, 1)
    torch.testing.assert_close(ours, theirs)


def test_the_hidden_layer_weighs_each_time_by_itself() -> None:
    shape = ClipShape(channels=1, height_px=32, width_px=32, frames=32)
    mask = torch.ones(1, 32, dtype=torch.bool)
    torch.manual_seed(0)
    for head, length, alike in (("average", 1024, True), ("mlp", 20, False)):
        encoder = I3D(shape, Options(head=head, hidden_dim=20)).eval()
        last = torch.rand(1, 1024, 4, 1, 1)
        encoder.network.forward = lambda values: values  # as if these were the last map
        with torch.no_grad():
            forth, back = (encoder(v, mask).vector for v in (last, last.flip(2)))
        assert forth.shape == (1, length) == (1, encoder.output_dim)
        assert torch.allclose(forth, back, atol=1e-6) == alike
