"""Every file of models/encoders/ and models/fusions/ keeps its contract: a new file is tested by being there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, TypeAlias

import pytest
import torch
from small_networks import RATES, small, small_fusion
from torch import nn
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.models.base import (
    AXES,
    ENCODERS,
    FUSIONS,
    OUTPUTS,
    Criterion,
    Encoded,
    Given,
    GivenSteps,
    Output,
    gives,
)
from affectstore.models.check import check_cell, check_pair
from affectstore.models.network import Network
from affectstore.models.recipe import Recipe, recipe_of

Inputs: TypeAlias = dict[str, torch.Tensor]

CLASSES = ("ANG", "DIS", "HAP")
BOTH = ("audio", "vision")
#: Columns of features that are sequences; where weights are shared those of the sound are as many as the picture's.
COLUMNS = {"audio": 5, "vision": 6, "text": 6}
#: Parameters of an encoder that is built as rarely as can be.
LARGE = 1_000_000


def cells() -> Iterator[dict[str, Any]]:
    """Every encoder alone, and every encoder under every fusion that fits it."""
    for encoder in ENCODERS.names():
        yield {"modalities": ["vision"], "encoder": encoder, "encoder_options": small(encoder)}
        for fusion in FUSIONS.names():
            if check_pair(dict.fromkeys(pair(fusion), encoder), fusion):
                continue
            cell = {"modalities": pair(fusion), "encoder": encoder, "encoder_options": small(encoder)}
            cell |= {"fusion": fusion, "fusion_options": small_fusion(fusion)}
            if joins_inputs(cell):
                yield cell
            else:
                yield from ({**cell, "sharing": sharing} for sharing in ("separate", "shared"))


def pair(fusion: str) -> tuple[str, str]:
    """Two modalities that a fusion joins."""
    words = FUSIONS.load(fusion).SPEC.words
    return BOTH if words is None else ("audio", words)


def joins_inputs(cell: dict[str, Any]) -> bool:
    return "fusion" in cell and FUSIONS.load(cell["fusion"]).SPEC.needs == "inputs"


def name_of(cell: dict[str, Any]) -> str:
    parts = [cell["encoder"], "+".join(cell["modalities"]), cell.get("fusion"), cell.get("sharing")]
    return "-".join(part for part in parts if part)


def recipe(cell: dict[str, Any], classes: tuple[str, ...] = CLASSES, **pictures: Any) -> Recipe:
    experiment = Experiment(
        title="t", corpus="synthetic", cells=(cell,), pictures={"size_px": 32, "colour": "grey", "frames": 5} | pictures
    )
    assert check_cell(experiment, experiment.cells[0]) == ""
    shared = cell.get("sharing") == "shared"
    columns = {
        experiment.inputs[modality]["sequence"]: COLUMNS["vision" if shared else modality] for modality in COLUMNS
    }
    return recipe_of(experiment, experiment.cells[0], classes, columns)


def network(cell: dict[str, Any], seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network(recipe(cell))


def inputs(net: Network, clips: int, seed: int = 0) -> tuple[Inputs, Inputs]:
    """Random values; the last clip's last frames are padding, and sequences differ in length by clip and modality."""
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for longest, (modality, given) in zip((9, 6), net.recipe.given.items(), strict=False):
        if isinstance(given, GivenSteps):
            steps = longest - torch.arange(clips) * (3 if modality == "audio" else 2) % longest
            masks[modality] = torch.arange(longest) < steps[:, None]
            values[modality] = torch.randn(clips, longest, given.columns, generator=generator)
            values[modality] *= masks[modality][..., None]
            continue
        values[modality] = torch.randn(clips, *given.shape, generator=generator)
        masks[modality] = torch.ones(clips, given.frames or 1, dtype=torch.bool)
        if given.frames:
            masks[modality][-1, -2:] = False
            values[modality][-1, :, -2:] = 0
    return values, masks


def spans(net: Network, masks: Inputs) -> Inputs:
    """Steps under each word, where the fusion goes word by word: made up, one word overlapping the next."""
    words = net.recipe.words
    if words is None:
        return {}
    made = {}
    for modality in set(masks) - {words}:
        steps, count = masks[modality].sum(dim=1), masks[words].sum(dim=1)
        word = torch.arange(masks[words].shape[1])
        first = word * steps[:, None] // count.clamp(min=1)[:, None]
        made[modality] = torch.stack([first, (first + 2).minimum(steps[:, None])], dim=2) * masks[words][..., None]
    return made


def run(net: Network, values: Inputs, masks: Inputs, criterion: Criterion | None = None) -> Output:
    """What a network gives, told the steps under each word where it asks for them."""
    return net(values, masks, criterion, spans=spans(net, masks))


def evaluated(cell: dict[str, Any]) -> Network:
    """A network in evaluation, whose batch normalisation has seen clips: before, signals may die in deep networks."""
    net = network(cell)
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the mean of what it sees
    if norms:
        with torch.no_grad():
            run(net, *inputs(net, clips=8, seed=1))
    return net.eval()


def sizes() -> dict[str, int]:
    """Parameters of every encoder as the tests build it."""
    counts = {}
    for name in ENCODERS.names():
        with torch.device("meta"):
            net = Network(recipe({"modalities": ["vision"], "encoder": name, "encoder_options": small(name)}))
        counts[name] = net.parameters_count
    return counts


SIZES = sizes()
CELLS = list(cells())
ALONE = [cell for cell in CELLS if "fusion" not in cell]
#: Every fusion (and sharing) on the smallest encoder that fits it.
SMALLEST = list(
    {
        (cell["fusion"], cell.get("sharing")): cell
        for cell in sorted(CELLS, key=lambda cell: SIZES[cell["encoder"]], reverse=True)
        if "fusion" in cell
    }.values()
)
#: An encoder alone and on joined inputs, a fusion of what encoders give on one of them: neither depends on more of
#: the other than the shape it is told. All other pairs are trained and evaluated once.
THOROUGH = [cell for cell in CELLS if "fusion" not in cell or joins_inputs(cell) or cell in SMALLEST]

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


@pytest.mark.parametrize("name", [n for n in FUSIONS.names() if FUSIONS.load(n).SPEC.needs == "inputs"])
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


@every_cell
def test_one_logit_a_class_and_a_gradient_for_every_parameter(cell: dict[str, Any]) -> None:
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
        output = run(net, values, masks, partial(F.cross_entropy, target=labels))
        assert output.logits.shape == (4, len(CLASSES))
        optimiser.zero_grad()
        (F.cross_entropy(output.logits, labels) + sum(output.losses.values())).backward()
        without &= {name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
        if without == declared:
            break
        optimiser.step()
    assert without == declared


@every_cell
def test_every_modality_changes_the_logits(cell: dict[str, Any]) -> None:
    net = evaluated(cell)
    values, masks = inputs(net, clips=2)
    before = run(net, values, masks).logits
    for modality in values:
        other = {**values, modality: values[modality] + torch.randn(values[modality].shape)}
        assert not torch.equal(run(net, other, masks).logits, before)


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
def test_a_clip_gives_the_same_alone_and_in_any_batch(cell: dict[str, Any]) -> None:
    net = evaluated(cell).double()  # so that nothing but rounding is forgiven
    values, masks = inputs(net, clips=5)
    values = {modality: value.double() for modality, value in values.items()}
    together = run(net, values, masks).logits
    for k in (0, 4):
        for padding in (0, 3) if has_steps(net) else (0,):
            alone = run(net, *one(net, values, masks, k, padding)).logits
            torch.testing.assert_close(alone[0], together[k], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cell", [*ALONE, *SMALLEST], ids=name_of)
def test_a_seed_gives_the_same_weights_and_they_survive_a_round_trip(cell: dict[str, Any]) -> None:
    first, again, other = network(cell, seed=1), network(cell, seed=1), network(cell, seed=2)
    # Weights that are drawn: a ladder's combinators start as zeros and ones.
    weights = [name for name, p in first.named_parameters() if p.dim() > 1 and len(p.unique()) > 2]
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert all(not torch.equal(first.state_dict()[n], other.state_dict()[n]) for n in weights)
    rebuilt = Network(Recipe(**first.recipe.model_dump(mode="json")))
    rebuilt.load_state_dict(first.state_dict())
    values, masks = inputs(first, clips=2)
    assert torch.equal(run(first.eval(), values, masks).logits, run(rebuilt.eval(), values, masks).logits)


def others() -> list[dict[str, Any]]:
    """All other pairs; of large encoders with shared weights only where there is a choice: that takes half the time."""
    return [
        cell
        for cell in CELLS
        if cell not in THOROUGH and not (cell.get("sharing") == "separate" and SIZES[cell["encoder"]] > LARGE)
    ]


@pytest.mark.parametrize("cell", others(), ids=name_of)
def test_every_other_cell_trains_and_evaluates(cell: dict[str, Any]) -> None:
    net = network(cell)
    values, masks = inputs(net, clips=3)
    labels = torch.tensor([0, 1, 2])
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(2):
        output = run(net, values, masks, partial(F.cross_entropy, target=labels))
        optimiser.zero_grad()
        (F.cross_entropy(output.logits, labels) + sum(output.losses.values())).backward()
        optimiser.step()
    moved = {name.split(".")[0] for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name.split(".")[0] for name in before}
    logits = run(net.eval(), values, masks).logits
    assert logits.shape == (3, len(CLASSES))
    assert logits.isfinite().all()


@pytest.mark.parametrize("cell", [*ALONE, *SMALLEST], ids=name_of)
def test_eight_clips_are_learnt_by_heart(cell: dict[str, Any]) -> None:
    net = network(cell)
    values, masks = inputs(net, clips=8)
    generator = torch.Generator().manual_seed(0)
    for modality, value in values.items():  # eight coarse patterns: noise is averaged away by pooling
        if isinstance(net.recipe.given[modality], GivenSteps):
            values[modality] = torch.randn(8, 1, value.shape[2], generator=generator) * masks[modality][..., None]
            continue
        coarse = torch.randn(8, value.shape[1], *[2] * (value.dim() - 2), generator=generator)
        values[modality] = F.interpolate(coarse, size=value.shape[2:])
    labels = torch.arange(8) % len(CLASSES)
    rate = RATES.get(cell["encoder"], 1e-3 if net.parameters_count > 100_000 else 1e-2)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    for _ in range(400):
        output = run(net, values, masks, partial(F.cross_entropy, target=labels))
        loss = F.cross_entropy(output.logits, labels) + sum(output.losses.values())
        if loss < 0.1:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1
    assert torch.equal(output.logits.argmax(dim=1), labels)


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
