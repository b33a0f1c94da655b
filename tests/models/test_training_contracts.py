"""Training of every encoder and fusion follows from the seed, its whole state is saved, and it can fit eight clips."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.model_cells import (
    ALONE,
    CLASSES,
    SMALLEST,
    Cell,
    inputs,
    loss_of,
    name_of,
    network,
    run,
    train,
)
from support.small_networks import RATES
from torch.nn import functional as F

from affectstore.models.network import Network
from affectstore.models.spec import SequenceShape
from affectstore.models.training.evaluate import calibrates
from affectstore.models.training.saved_model import load_model, save_model

each_once = pytest.mark.parametrize("cell", [*ALONE, *SMALLEST], ids=name_of)


def as_random_as_can_be(cell: Cell) -> Cell:
    """The cell with everything that `small_networks` switches off: dropout and other noise."""
    on = {
        name: {option: value for option, value in cell[name].items() if value != 0.0}
        for name in ("encoder_options", "fusion_options")
        if name in cell
    }
    return {**cell, **on}


def states_after(cell: Cell, seed: int, others: int) -> dict[str, torch.Tensor]:
    """State of a network after two steps; the other generators of the process have other states."""
    random.seed(others)
    np.random.seed(others)  # noqa: NPY002 - the generator of the process is what must not matter
    return train(network(cell, seed)).state_dict()


@each_once
def test_training_follows_from_the_seed_of_torch(cell: Cell) -> None:
    cell = as_random_as_can_be(cell)
    first, again = states_after(cell, seed=1, others=1), states_after(cell, seed=1, others=2)
    assert list(first) == list(again)
    assert [name for name in first if not torch.equal(first[name], again[name])] == []
    # Randomly initialised parameters: a ladder's combinators start as zeros and ones.
    one, other = network(cell, seed=1), network(cell, seed=2).state_dict()
    drawn = {name: p for name, p in one.named_parameters() if p.dim() > 1 and len(p.flatten()[:1000].unique()) > 2}
    assert drawn
    assert all(not torch.equal(value, other[name]) for name, value in drawn.items())


@each_once
def test_the_whole_state_is_saved(cell: Cell, tmp_path: Path) -> None:
    trained = train(network(as_random_as_can_be(cell)))
    values, masks = inputs(trained.eval(), clips=3, seed=1)
    with torch.no_grad():
        if calibrates(trained.recipe):
            encoded = trained.encode(values, masks)
            trained.fusion.calibrate({m: one.vector for m, one in encoded.items()}, torch.arange(3))
        save_model(tmp_path, trained.recipe, {}, trained.state_dict(), {})
        rebuilt, _ = load_model(tmp_path)
        assert torch.equal(run(trained, values, masks).logits, run(rebuilt, values, masks).logits)
    shutil.rmtree(tmp_path)  # some are large


@each_once
def test_eight_clips_can_be_fitted(cell: Cell) -> None:
    net = network(cell)
    values, masks = coarse(net, clips=8)
    labels = torch.arange(8) % len(CLASSES)
    rate = RATES.get(cell["encoder"], 1e-3 if net.num_parameters > 100_000 else 1e-2)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    for _ in range(400):
        loss, output = loss_of(net, values, masks, labels)
        if loss < 0.1:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1
    assert torch.equal(output.logits.argmax(dim=1), labels)


def coarse(net: Network, clips: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A coarse pattern for each clip: noise is averaged away by pooling."""
    values, masks = inputs(net, clips)
    generator = torch.Generator().manual_seed(0)
    for modality, value in values.items():
        if isinstance(net.recipe.shapes[modality], SequenceShape):
            values[modality] = torch.randn(clips, 1, value.shape[2], generator=generator) * masks[modality][..., None]
            continue
        pattern = torch.randn(clips, value.shape[1], *[2] * (value.dim() - 2), generator=generator)
        values[modality] = F.interpolate(pattern, size=value.shape[2:])
    return values, masks
