"""Every valid pair of the matrix, an encoder and a fusion, takes steps of an optimiser and evaluates."""

from __future__ import annotations

import pytest
import torch
from support.model_cells import CLASSES, PAIRS, Cell, inputs, name_of, network, run, train

from affectstore.models.spec import FUSIONS
from affectstore.reference.matrix import matrix


def test_the_pairs_that_are_trained_are_those_that_the_matrix_calls_valid() -> None:
    (mark,) = test_every_valid_pair_trains_and_evaluates.pytestmark
    trained: dict[tuple[str, str], list[str | None]] = {}
    for cell in mark.args[1]:
        trained.setdefault((cell["encoder"], cell["fusion"]), []).append(cell.get("sharing"))
    found = matrix()
    assert trained == {
        (encoder, fusion): [None] if FUSIONS.load(fusion).SPEC.needs == "inputs" else ["separate", "shared"]
        for encoder in found.encoders
        for fusion in found.fusions
        if (encoder, fusion) not in found.problems
    }


@pytest.mark.parametrize("cell", PAIRS, ids=name_of)
def test_every_valid_pair_trains_and_evaluates(cell: Cell) -> None:
    net = network(cell)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    parts, moved = {part_of(name) for name in before}, set()
    for _ in range(2):  # some parts have no gradient in the first step
        train(net, steps=1)
        moved = {part_of(name) for name, p in net.named_parameters() if not torch.equal(p, before[name])}
        if moved == parts:
            break
    assert moved == parts
    with torch.inference_mode():
        logits = run(net.eval(), *inputs(net, clips=3, seed=1)).logits
    assert logits.shape == (3, len(CLASSES))
    assert logits.isfinite().all()


def part_of(parameter: str) -> str:
    """Encoder, fusion or classifier that a parameter is part of."""
    return ".".join(parameter.split(".")[: 2 if parameter.startswith("encoders.") else 1])
