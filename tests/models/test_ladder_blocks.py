"""Blocks of the ladder fusion: resampling, batch statistics, reconstruction cost and decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given as drawn_from
from hypothesis import settings
from hypothesis import strategies as st
from support.fused_steps import mask_of

from affectstore.models.blocks.batch_stats import batch_mean_std, batch_normalise
from affectstore.models.blocks.ladder import Decoder, reconstruction_cost, resample_steps


def test_resampling_by_hand() -> None:
    x = torch.tensor([[[0.0], [10.0], [99.0]], [[1.0], [2.0], [3.0]]])
    resampled = resample_steps(x, mask_of((2, 3)), mask_of((4, 1)))
    # Steps of two lie at 1/4 and 3/4, those of four at 1/8, 3/8, 5/8 and 7/8; the one step of one at 1/2.
    assert resampled[..., 0].tolist() == [[0, 2.5, 7.5, 10], [2, 0, 0, 0]]


@settings(max_examples=50, deadline=None)
@drawn_from(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4), st.integers(0, 3))
def test_resampling_is_interpolation_over_time(steps: list[tuple[int, int]], padding: int) -> None:
    have, want = zip(*steps, strict=True)
    mask, target_mask = mask_of(have, padding), mask_of(want, padding)
    generator = torch.Generator().manual_seed(len(steps))
    x = torch.randn(*mask.shape, 2, dtype=torch.float64, generator=generator)
    resampled = resample_steps(x, mask, target_mask)
    for k, (n, m) in enumerate(steps):
        assert (resampled[k, m:] == 0).all()
        if n == 0:
            assert (resampled[k] == 0).all()
            continue
        for c in range(2):
            expected = np.interp((np.arange(m) + 0.5) / max(m, 1), (np.arange(n) + 0.5) / n, x[k, :n, c].numpy())
            np.testing.assert_allclose(resampled[k, :m, c], expected, atol=1e-12)
        if n == m:
            assert torch.equal(resampled[k, :m], x[k, :m])


def test_gradients_of_the_resampling() -> None:
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resample_steps(x, mask_of((4, 2)), mask_of((3, 5))), (x,))


def test_batch_statistics_are_those_of_the_valid_steps() -> None:
    mask = mask_of((4, 0, 2))
    x = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5 + 2
    x[..., 2] = 7  # a constant column is only centred
    x = x.masked_fill(~mask[..., None], 1e6)
    rows = torch.cat([x[0], x[2, :2]])
    mean, std = batch_mean_std(x, mask)
    torch.testing.assert_close(mean, rows.mean(dim=0))
    torch.testing.assert_close(std, torch.tensor([*rows.std(dim=0, correction=0)[:2], 1.0]).double())
    assert (batch_normalise(x, mask)[~mask] == 0).all()
    assert batch_mean_std(x.bfloat16(), mask)[1].dtype == torch.float32


def test_a_constant_column_has_finite_gradients() -> None:
    x = torch.ones(2, 3, 2, requires_grad=True)
    noisy = torch.randn(2, 3, 2)
    reconstruction_cost(noisy, x, mask_of((3, 2)), mask_of((3, 2))).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    (batch_normalise(x, mask_of((3, 2))) ** 2).sum().backward()
    assert x.grad.isfinite().all()


def test_the_cost_is_in_units_of_the_clean_layers_standard_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    mask, valid = mask_of((5, 2, 4)), mask_of((5, 0, 4), padding=0)
    clean, restored = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=generator) * 3 + 1
    rows = clean[mask]
    mean, std = rows.mean(dim=0), rows.std(dim=0, correction=0)  # not the variance
    total, many = 0.0, 0
    for k, length in enumerate((5, 0, 4)):
        for i in range(length):
            z, z_hat = ((x[k, i] - mean) / std for x in (clean, restored))
            total, many = total + (z - z_hat).square().sum().item(), many + 4
    expected = pytest.approx(total / many, rel=1e-12)
    assert reconstruction_cost(restored, clean, mask, valid).item() == expected
    assert reconstruction_cost(5 * restored - 3, 5 * clean - 3, mask, valid).item() == expected
    assert reconstruction_cost(clean, clean, mask, valid) == 0
    assert reconstruction_cost(restored, clean, mask, mask & False) == 0


def test_a_decoder_learns_to_restore_better_than_the_noise_leaves_it() -> None:
    """Columns that move together: the layer above has the part of one that the noise hides."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    decoder, mask = Decoder((6, 6)), torch.ones(64, 4, dtype=torch.bool)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=0.03)
    costs = []
    for _ in range(300):
        clean = (torch.randn(64, 4, 1, generator=generator) * torch.tensor([1.0, -2.0, 0.5, 1.0, 3.0, 1.0])).expand(
            -1, -1, 6
        )
        noisy = [clean + 0.5 * clean.std(dim=(0, 1)) * torch.randn(clean.shape, generator=generator) for _ in range(2)]
        restored = decoder(noisy, mask)
        loss = torch.stack([reconstruction_cost(z, clean, mask, mask) for z in restored]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        costs.append([reconstruction_cost(z, clean, mask, mask).item() for z in restored])
    # A noisy layer itself costs .25; the best restoration from its own column, .2; the top layer can do no better.
    assert np.mean([c[0] for c in costs[-30:]]) == pytest.approx(0.2, abs=0.02)
    assert np.mean([c[1] for c in costs[-30:]]) < 0.12
