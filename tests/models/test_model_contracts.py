"""Every file of models/encoders/ and models/fusions/ keeps its contract: declarations, shapes, gradients, batches.

A new file is tested by being there. How they train: test_matrix_training.py, test_training_contracts.py and
test_engine_contracts.py.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from model_cells import (
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
from small_networks import small
from torch.nn import functional as F

from affectstore.models.base import AXES, ENCODERS, FUSIONS, OUTPUTS, Encoded, Given, GivenSteps, gives
from affectstore.models.check import check_pair
from affectstore.models.engine.loss import LabelLoss
from affectstore.models.network import Network

INPUT_FUSIONS = [name for name in FUSIONS.names() if FUSIONS.load(name).SPEC.needs == "inputs"]

every_cell = pytest.mark.parametrize("cell", THOROUGH, ids=name_of)


@pytest.mark.parametrize("name", ENCODERS.names())
def test_an_encoder_declares_what_it_takes_and_gives(name: str) -> None:
    module = ENCODERS.load(name)
    assert module.SPEC.takes in AXES
    assert module.SPEC.gives in OUTPUTS
    assert module.SPEC.version >= 1
    assert module.SPEC.summary
    assert module.origin(module.Options()) == "random"
    for field in module.Options.model_fields.values():
        assert field.description
    frames = 5 if module.SPEC.takes == "clip" else None
    steps = module.SPEC.takes == "sequence"
    given = GivenSteps(columns=7) if steps else Given(channels=2, height_px=32, width_px=48, frames=frames)
    shape = (4, given.columns) if isinstance(given, GivenSteps) else given.shape
    for options in (module.Options(), module.Options(**small(name))):
        with torch.device("meta"):  # shapes only: the full sizes cost nothing
            values, mask = torch.zeros(2, *shape), torch.ones(2, 4 if steps else frames or 1, dtype=torch.bool)
            encoded = module.encode(module.weights(given, options), values, mask, options)
        width = module.features(given, options)
        if module.SPEC.gives == "vector":
            assert encoded.shape == (2, width)
            continue
        assert isinstance(encoded, Encoded)
        assert encoded.vector.shape == (2, width)
        assert encoded.sequence.shape == (2, 4, width)
        assert [layer.shape for layer in encoded.layers] == [(2, 4, width)] * len(encoded.layers)
        assert len(encoded.layers) == (module.depth(options) if gives(module.SPEC, "layers") else 0)


@pytest.mark.parametrize("name", FUSIONS.names())
def test_a_fusion_says_what_it_needs(name: str) -> None:
    module = FUSIONS.load(name)
    spec = module.SPEC
    assert spec.version >= 1
    assert spec.summary
    for field in module.Options.model_fields.values():
        assert field.description
    assert spec.needs == "inputs" or spec.needs in OUTPUTS
    assert (spec.axis is not None) == (spec.needs == "inputs")
    assert hasattr(module, "noise") == (spec.needs == "layers")
    assert spec.words is None or spec.needs in ("sequence", "layers")
    assert any(not check_pair(dict.fromkeys(pair(name), encoder), name) for encoder in ENCODERS.names())


@pytest.mark.parametrize("name", INPUT_FUSIONS)
def test_a_joined_input_has_the_shape_that_was_announced(name: str) -> None:
    module = FUSIONS.load(name)
    given = dict.fromkeys(BOTH, Given(channels=3, frames=4, height_px=8, width_px=10))
    values = {m: torch.randn(2, *g.shape) for m, g in given.items()}
    masks = {m: torch.ones(2, 4, dtype=torch.bool) for m in given}
    masks["audio"][1, 2:] = False
    joined, mask = module.join(values, masks, module.Options())
    announced = module.joined(given, module.Options())
    assert joined.shape[1:] == announced.shape
    assert mask.shape == (2, announced.frames)
    axis = AXES["clip"].index(module.SPEC.axis)
    # What is seen stays as it is, at its end of the axis; what is heard may be changed to lie beside it.
    heard, seen = joined.tensor_split([joined.shape[axis] - values["vision"].shape[axis]], dim=axis)
    assert torch.equal(seen, values["vision"])
    assert name == "replicated" or torch.equal(heard, values["audio"])


def test_every_fusion_is_tried_on_three_modalities() -> None:
    assert {cell["fusion"] for cell in THREE} == set(FUSIONS.names())


@every_cell
def test_one_logit_a_class_and_a_gradient_for_every_parameter(cell: Cell) -> None:
    net = network(cell)
    values, masks = inputs(net, clips=4)
    labels = torch.tensor([0, 1, 2, 0])
    unused = getattr(ENCODERS.load(cell["encoder"]), "UNUSED", ())
    declared = (
        {name for name, _ in net.named_parameters() if name.split(".", 2)[-1].startswith(unused)} if unused else set()
    )
    without = {name for name, _ in net.named_parameters()}
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    for _ in range(3):  # a ladder's combinators start where most of their weights have none
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
    return any(isinstance(given, GivenSteps) for given in net.recipe.given.values())


def one(net: Network, values: Inputs, masks: Inputs, k: int, padding: int) -> tuple[Inputs, Inputs]:
    """One clip alone, its sequences with so many steps of padding."""
    values, masks = ({m: v[k : k + 1] for m, v in side.items()} for side in (values, masks))
    for modality, given in net.recipe.given.items():
        if isinstance(given, GivenSteps):
            steps = int(masks[modality].sum())
            values[modality] = F.pad(values[modality][:, :steps], (0, 0, 0, padding))
            masks[modality] = F.pad(masks[modality][:, :steps], (0, padding))
    return values, masks


@every_cell
def test_a_clip_gives_the_same_alone_and_in_any_batch(cell: Cell) -> None:
    net = evaluated(cell).double()  # so that nothing but rounding is forgiven
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
    assert separate.parameters_count - shared.parameters_count == encoder
    values, masks = inputs(separate, clips=1)
    same = dict.fromkeys(BOTH, values["audio"])
    vectors = {m: shared._encode("shared", same[m], masks[m]).vector for m in BOTH}
    assert torch.equal(vectors["audio"], vectors["vision"])


@pytest.mark.parametrize("name", ENCODERS.names())
def test_every_encoder_learns_from_one_modality_at_a_time(name: str) -> None:
    cell = {"modalities": BOTH, "encoder": name, "encoder_options": small(name), "sharing": "union"}
    net = network(cell)
    assert list(net.encoders) == ["shared"]
    values, masks = inputs(net, clips=3)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    loss = LabelLoss(torch.tensor([0, 1, 2]))(run(net, values, masks).logits)
    loss.backward()
    torch.optim.Adam(net.parameters(), lr=1e-3).step()
    assert {n.split(".")[0] for n, p in net.named_parameters() if not torch.equal(p, before[n])} == {"encoders", "head"}
    net = evaluated(cell)
    logits = run(net, values, masks).logits
    assert logits.shape == (6, len(CLASSES))
    swapped = {"audio": values["audio"], "vision": torch.zeros_like(values["vision"])}
    again = run(net, swapped, masks).logits
    torch.testing.assert_close(again[:3], logits[:3])  # what is said of the sound knows nothing of the picture
    assert not torch.equal(again[3:], logits[3:])


def test_simple3d_pools_short_axes_no_further() -> None:
    module = ENCODERS.load("simple3d")
    options = module.Options()
    for given, length in (
        (Given(channels=3, frames=135, height_px=224, width_px=224), 144),
        (Given(channels=3, frames=135, height_px=224, width_px=448), 336),
        (Given(channels=1, frames=1, height_px=8, width_px=64), 8),
        (Given(channels=1, frames=16, height_px=64, width_px=130), 16),
    ):
        assert module.features(given, options) == length


def test_declarations_need_no_torch() -> None:
    code = (
        "import sys\n"
        "from affectstore.models.base import ENCODERS, FUSIONS\n"
        "import affectstore.models.check, affectstore.models.needs, affectstore.models.recipe\n"
        "[registry.load(name).SPEC for registry in (ENCODERS, FUSIONS) for name in registry.names()]\n"
        "heavy = {'torch', 'torchvision', 'transformers', 'lightning_fabric'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
