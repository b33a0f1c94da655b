"""Every file of models/encoders/ and models/fusions/ keeps its contract: declarations, shapes, gradients, batches.

A new file is tested by being there. Training: test_matrix_training.py, test_training_contracts.py and
test_trainer_contracts.py. Planning without torch: test_planning_without_torch.py.
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
    pair,
    run,
)
from support.small_networks import small, small_fusion
from torch.nn import functional as F

from affectstore.models.cells.validate import pair_problem
from affectstore.models.modules import Criterion, Encoded, Encoder, Fusion, InputFusion, NoisyEncoder
from affectstore.models.network import Network
from affectstore.models.spec import (
    ENCODERS,
    FUSIONS,
    INPUT_AXES,
    LOSSES,
    OUTPUT_AXES,
    ClipShape,
    ImageShape,
    SequenceShape,
    Shape,
)

INPUT_FUSIONS = [name for name in FUSIONS.names() if FUSIONS.load(name).SPEC.needs == "inputs"]

every_cell = pytest.mark.parametrize("cell", THOROUGH, ids=name_of)


@pytest.mark.parametrize("name", ENCODERS.names())
def test_an_encoder_keeps_its_declaration(name: str) -> None:
    declared = ENCODERS.load(name)
    assert declared.SPEC.input_kind in INPUT_AXES
    assert declared.SPEC.output_kind in OUTPUT_AXES
    assert declared.SPEC.version >= 1
    assert declared.SPEC.summary
    assert declared.SPEC.paper
    assert declared.Options().pretrained_source == "random"
    assert declared.Options().pretrained_digest() is None
    for field in declared.Options.model_fields.values():
        assert field.description
    kind = declared.SPEC.input_kind
    shape: Shape = ImageShape(channels=2, height_px=32, width_px=48)
    size, steps = shape.size, 1
    if kind == "sequence":
        shape, size, steps = SequenceShape(dim=7), (4, 7), 4
    elif kind == "clip":
        shape = ClipShape(channels=2, height_px=32, width_px=48, frames=5)
        size, steps = shape.size, 5
    for options in (declared.Options(), declared.Options(**small(name))):
        assert options.problem(shape) is None
        assert declared.Options(**options.resolved().model_dump(mode="json")) == options.resolved()
        with torch.device("meta"):  # shapes only: the full sizes cost nothing
            values, mask = torch.zeros(2, *size), torch.ones(2, steps, dtype=torch.bool)
            encoder = declared.build(shape, options)
            encoded = encoder(values, mask)
        assert isinstance(encoder, NoisyEncoder if declared.SPEC.outputs("layers") else Encoder)
        dim = encoder.output_dim
        assert isinstance(encoded, Encoded)
        assert encoded.vector.shape == (2, dim)
        assert (encoded.sequence is not None) == declared.SPEC.outputs("sequence")
        if encoded.sequence is not None:
            assert encoded.sequence.shape == (2, 4, dim)
        assert [layer.shape for layer in encoded.layers] == [(2, 4, dim)] * len(encoded.layers)
        assert len(encoded.layers) == (options.depth if declared.SPEC.outputs("layers") else 0)


@pytest.mark.parametrize("name", FUSIONS.names())
def test_a_fusion_keeps_its_declaration(name: str) -> None:
    declared = FUSIONS.load(name)
    spec = declared.SPEC
    assert spec.version >= 1
    assert spec.summary
    assert spec.paper
    for field in declared.Options.model_fields.values():
        assert field.description
    assert spec.needs == "inputs" or spec.needs in OUTPUT_AXES
    assert (spec.axis is not None) == (spec.needs == "inputs")
    assert spec.words is None or spec.needs in ("sequence", "layers")
    assert any(pair_problem(dict.fromkeys(pair(name), encoder), name) is None for encoder in ENCODERS.names())
    options = declared.Options(**small_fusion(name))
    if spec.needs == "inputs":
        assert isinstance(declared.build(options), InputFusion)
        return
    dims = dict.fromkeys(pair(name), (6, 6) if spec.needs == "layers" else 6)
    fusion = declared.build(dims, len(CLASSES), options)
    assert isinstance(fusion, Fusion)
    assert (fusion.noise is not None) == (spec.needs == "layers")
    assert (type(fusion).calibrate is not Fusion.calibrate) == spec.calibrates
    assert set(options.used_modalities(pair(name))) <= set(pair(name))


@pytest.mark.parametrize("name", INPUT_FUSIONS)
def test_a_joined_input_has_the_declared_shape(name: str) -> None:
    declared = FUSIONS.load(name)
    shapes = dict.fromkeys(BOTH, ClipShape(channels=3, frames=4, height_px=8, width_px=10))
    values = {m: torch.randn(2, *shape.size) for m, shape in shapes.items()}
    masks = {m: torch.ones(2, 4, dtype=torch.bool) for m in shapes}
    masks["audio"][1, 2:] = False
    joined, mask = declared.build(declared.Options())(values, masks)
    expected = declared.Options().join_shapes(shapes)
    assert joined.shape[1:] == expected.size
    assert mask.shape == (2, expected.frames)
    axis = INPUT_AXES["clip"].index(declared.SPEC.axis)
    # Vision is unchanged, at its end of the axis; audio may be changed to fit beside it.
    audio, vision = joined.tensor_split([joined.shape[axis] - values["vision"].shape[axis]], dim=axis)
    assert torch.equal(vision, values["vision"])
    assert name == "replicated" or torch.equal(audio, values["audio"])


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


def test_simple3d_pools_short_axes_no_further() -> None:
    declared = ENCODERS.load("simple3d")
    for shape, length in (
        (ClipShape(channels=3, frames=135, height_px=224, width_px=224), 144),
        (ClipShape(channels=3, frames=135, height_px=224, width_px=448), 336),
        (ClipShape(channels=1, frames=1, height_px=8, width_px=64), 8),
        (ClipShape(channels=1, frames=16, height_px=64, width_px=130), 16),
    ):
        assert declared.build(shape, declared.Options()).output_dim == length
