"""Networks of every encoder and every fusion: logits, gradients, modalities, batches.

A new file is tested by being there. The modules alone: test_encoder_contracts.py and test_fusion_contracts.py.
Training: test_matrix_training.py, test_training_contracts.py and test_trainer_contracts.py. Planning without torch:
test_planning_without_torch.py.
"""

from __future__ import annotations

import pytest
import torch
from support.model_cells import (
    BOTH,
    CLASSES,
    THOROUGH,
    THREE,
    Cell,
    Inputs,
    evaluated,
    inputs,
    loss_of,
    name_of,
    network,
    run,
)
from support.small_networks import small
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.modules import Criterion, Encoded, Encoder
from affectstore.models.network import Network
from affectstore.models.spec import ENCODERS, FUSIONS, LOSSES, ClipShape, SequenceShape

every_cell = pytest.mark.parametrize("cell", THOROUGH, ids=name_of)


def test_every_fusion_is_tried_on_three_modalities() -> None:
    assert {cell["fusion"] for cell in THREE} == set(FUSIONS.names())


@every_cell
def test_logits_have_one_column_per_class_and_every_parameter_has_a_gradient(cell: Cell) -> None:
    net = network(cell)
    values, masks = inputs(net, clips=4)
    labels = torch.tensor([0, 1, 2, 0])
    declared = {
        f"encoders.{key}.{name}"
        for key, encoder in net.encoders.items()
        for name, _ in encoder.named_parameters()
        if name.startswith(encoder.unused_parameters)
    }
    without = {name for name, _ in net.named_parameters()}
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(3):  # most weights of a ladder's combinators have none at first
        loss, output = loss_of(net, values, masks, labels)
        assert output.logits.shape == (4, len(CLASSES))
        optimiser.zero_grad()
        loss.backward()
        without &= {name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
        if without == declared:
            break
        optimiser.step()
    assert without == declared


@every_cell
def test_every_modality_changes_the_logits(cell: Cell) -> None:
    net = evaluated(cell)
    values, masks = inputs(net, clips=2)
    assert list(values) == cell["modalities"]
    before = run(net, values, masks).logits
    for modality in values:
        other = {**values, modality: values[modality] + torch.randn(values[modality].shape)}
        assert not torch.equal(run(net, other, masks).logits, before), modality


def has_steps(net: Network) -> bool:
    return any(isinstance(shape, SequenceShape) for shape in net.recipe.shapes.values())


def one(net: Network, values: Inputs, masks: Inputs, k: int, padding: int) -> tuple[Inputs, Inputs]:
    """One clip alone, its sequences padded by some steps."""
    values, masks = ({m: v[k : k + 1] for m, v in part.items()} for part in (values, masks))
    for modality, shape in net.recipe.shapes.items():
        if isinstance(shape, SequenceShape):
            steps = int(masks[modality].sum())
            values[modality] = F.pad(values[modality][:, :steps], (0, 0, 0, padding))
            masks[modality] = F.pad(masks[modality][:, :steps], (0, padding))
    return values, masks


@every_cell
def test_logits_of_a_clip_are_the_same_alone_and_in_any_batch(cell: Cell) -> None:
    net = evaluated(cell).double()  # so that only rounding errors are tolerated
    values, masks = inputs(net, clips=5)
    values = {modality: value.double() for modality, value in values.items()}
    together = run(net, values, masks).logits
    for k in (0, 4):
        for padding in (0, 3) if has_steps(net) else (0,):
            alone = run(net, *one(net, values, masks, k, padding)).logits
            torch.testing.assert_close(alone[0], together[k], rtol=1e-6, atol=1e-9)


def test_shared_weights_are_one_encoder() -> None:
    cell = {"modalities": BOTH, "encoder": "simple3d", "fusion": "concat"}
    shared, separate = network({**cell, "sharing": "shared"}), network({**cell, "sharing": "separate"})
    assert list(shared.encoders) == ["shared"]
    assert list(separate.encoders) == ["audio", "vision"]
    encoder = sum(p.numel() for p in shared.encoders.parameters())
    assert separate.num_parameters - shared.num_parameters == encoder
    values, masks = inputs(separate, clips=1)
    same = dict.fromkeys(BOTH, values["audio"])
    vectors = {m: encoded.vector for m, encoded in shared.encode(same, masks).items()}
    assert torch.equal(vectors["audio"], vectors["vision"])


@pytest.mark.parametrize("name", ENCODERS.names())
def test_every_encoder_learns_from_one_modality_at_a_time(name: str) -> None:
    cell = {"modalities": BOTH, "encoder": name, "encoder_options": small(name), "sharing": "modality_agnostic"}
    net = network(cell)
    assert list(net.encoders) == ["shared"]
    values, masks = inputs(net, clips=3)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    cross_entropy = LOSSES.load("cross_entropy")
    criterion = Criterion(cross_entropy.build(None, 0.0, cross_entropy.Options()), torch.tensor([0, 1, 2]))
    loss = criterion(run(net, values, masks).logits)
    loss.backward()
    torch.optim.Adam(net.parameters(), lr=1e-3).step()
    assert {n.split(".")[0] for n, p in net.named_parameters() if not torch.equal(p, before[n])} == {"encoders", "head"}
    net = evaluated(cell)
    logits = run(net, values, masks).logits
    assert logits.shape == (6, len(CLASSES))
    swapped = {"audio": values["audio"], "vision": torch.zeros_like(values["vision"])}
    again = run(net, swapped, masks).logits
    torch.testing.assert_close(again[:3], logits[:3])  # logits of audio do not depend on vision
    assert not torch.equal(again[3:], logits[3:])


def test_a_fusion_of_layers_needs_encoders_that_add_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"modalities": BOTH, "encoder": "transformer", "fusion": "ladder", "sharing": "separate"}
    recipe = network(cell).recipe

    class WithoutNoise(Encoder):
        output_dim = 8

        def forward(self, values: torch.Tensor, mask: torch.Tensor) -> Encoded:
            raise NotImplementedError

    monkeypatch.setattr(ENCODERS.load("transformer").module, "build", lambda shape, options: WithoutNoise())
    with pytest.raises(
        ConfigError, match=r"fusion 'ladder' .* encoder 'transformer' adds no noise to its layers: WithoutN"
    ):
        Network(recipe)


def test_simple3d_pools_short_axes_no_further() -> None:
    declared = ENCODERS.load("simple3d")
    for shape, length in (
        (ClipShape(channels=3, frames=135, height_px=224, width_px=224), 144),
        (ClipShape(channels=3, frames=135, height_px=224, width_px=448), 336),
        (ClipShape(channels=1, frames=1, height_px=8, width_px=64), 8),
        (ClipShape(channels=1, frames=16, height_px=64, width_px=130), 16),
    ):
        assert declared.build(shape, declared.Options()).output_dim == length
