"""Every valid pair of the matrix, an encoder and a fusion, takes steps of an optimiser and evaluates."""

from __future__ import annotations

import pytest
import torch
from model_cells import CLASSES, PAIRS, Cell, inputs, joins_inputs, name_of, network, run, train

from affectstore.models.matrix import matrix


def test_the_pairs_that_are_trained_are_those_that_the_matrix_calls_valid() -> None:
    """The parameters of `test_every_valid_pair_trains_and_evaluates`, and nothing else, are what is trained."""
    (mark,) = test_every_valid_pair_trains_and_evaluates.pytestmark
    ways: dict[tuple[str, str], set[str | None]] = {}
    for cell in mark.args[1]:
        ways.setdefault((cell["encoder"], cell["fusion"]), set()).add(cell.get("sharing"))
        assert ways[cell["encoder"], cell["fusion"]] <= ({None} if joins_inputs(cell) else {"separate", "shared"})
    assert set(ways) == {pair for pair, reason in matrix().reasons.items() if not reason}
    assert len(mark.args[1]) == sum(1 if way == {None} else 2 for way in ways.values())


@pytest.mark.parametrize("cell", PAIRS, ids=name_of)
def test_every_valid_pair_trains_and_evaluates(cell: Cell) -> None:
    net = network(cell)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    train(net, steps=2)
    moved = {part_of(name) for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {part_of(name) for name in before}
    with torch.inference_mode():
        logits = run(net.eval(), *inputs(net, clips=3, seed=1)).logits
    assert logits.shape == (3, len(CLASSES))
    assert logits.isfinite().all()


def part_of(parameter: str) -> str:
    """An encoder, the fusion, or the classifier behind them."""
    return ".".join(parameter.split(".")[: 2 if parameter.startswith("encoders.") else 1])
