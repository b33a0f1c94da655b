"""The cells that the contracts of encoders and fusions are tested on: what they are, their networks, their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from small_networks import small, small_fusion
from torch import nn
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.models.base import ENCODERS, FUSIONS, Criterion, GivenSteps, Output
from affectstore.models.check import check_cell, check_pair
from affectstore.models.network import Network
from affectstore.models.recipe import Recipe, recipe_of

Cell: TypeAlias = dict[str, Any]
Inputs: TypeAlias = dict[str, torch.Tensor]

CLASSES = ("ANG", "DIS", "HAP")
BOTH = ("audio", "vision")
ALL = ("audio", "vision", "text")
#: Small pictures, for encoders of pictures.
PICTURES = {"size_px": 32, "colour": "grey", "frames": 5}
#: Columns of features that are sequences; where weights are shared those of the sound are as many as the picture's.
COLUMNS = {"audio": 5, "vision": 6, "text": 6}
#: What an encoder of pictures reads of the text, which no feature draws by default.
TEXT_SEEN = {"image": "faces", "clip": "frames"}
#: Steps of the longest clip, by modality.
LONGEST = {"audio": 9, "vision": 6, "text": 7}


def cells() -> Iterator[Cell]:
    """Every encoder alone, and every encoder under every fusion that fits it, with weights of its own and shared."""
    for encoder in ENCODERS.names():
        yield {"modalities": ["vision"], "encoder": encoder, "encoder_options": small(encoder)}
        for fusion in FUSIONS.names():
            yield from fused_cells(encoder, fusion, pair(fusion))


def fused_cells(encoder: str, fusion: str, modalities: tuple[str, ...]) -> Iterator[Cell]:
    """The cells of an encoder under a fusion: none where they do not fit, one for each way of `sharing` it has."""
    if check_pair(dict.fromkeys(modalities, encoder), fusion):
        return
    cell = {"modalities": list(modalities), "encoder": encoder, "encoder_options": small(encoder)}
    cell |= {"fusion": fusion, "fusion_options": small_fusion(fusion)}
    if "text" in modalities and (takes := ENCODERS.load(encoder).SPEC.takes) in TEXT_SEEN:
        cell["inputs"] = {"text": TEXT_SEEN[takes]}
    yield from [cell] if joins_inputs(cell) else ({**cell, "sharing": sharing} for sharing in ("separate", "shared"))


def pair(fusion: str) -> tuple[str, str]:
    """Two modalities that a fusion joins."""
    words = FUSIONS.load(fusion).SPEC.words
    return BOTH if words is None else ("audio", words)


def joins_inputs(cell: Cell) -> bool:
    """Whether the modalities become one input of one encoder."""
    return "fusion" in cell and FUSIONS.load(cell["fusion"]).SPEC.needs == "inputs"


def name_of(cell: Cell) -> str:
    """What pytest calls a cell."""
    parts = [cell["encoder"], "+".join(cell["modalities"]), cell.get("fusion"), cell.get("sharing")]
    return "-".join(part for part in parts if part)


def recipe(cell: Cell, **pictures: Any) -> Recipe:
    """The recipe of a valid cell."""
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,), pictures=PICTURES | pictures)
    assert check_cell(experiment, experiment.cells[0]) == ""
    shared = cell.get("sharing") in ("shared", "union")
    columns = {
        experiment.inputs[modality]["sequence"]: COLUMNS["vision" if shared else modality] for modality in COLUMNS
    }
    return recipe_of(experiment, experiment.cells[0], CLASSES, columns)


def network(cell: Cell, seed: int = 0) -> Network:
    """A freshly drawn network."""
    torch.manual_seed(seed)
    return Network(recipe(cell))


def inputs(net: Network, clips: int, seed: int = 0) -> tuple[Inputs, Inputs]:
    """Random values; the last clip's last frames are padding, and sequences differ in length by clip and modality."""
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for modality, given in net.recipe.given.items():
        if isinstance(given, GivenSteps):
            longest = LONGEST[modality]
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


def loss_of(net: Network, values: Inputs, masks: Inputs, labels: torch.Tensor) -> tuple[torch.Tensor, Output]:
    """What training lowers, and what the network gives."""
    output = run(net, values, masks, partial(F.cross_entropy, target=labels))
    return F.cross_entropy(output.logits, labels) + sum(output.losses.values()), output


def train(net: Network, clips: int = 3, steps: int = 3) -> Network:
    """The same network after some steps of an optimiser, on one batch."""
    values, masks = inputs(net.train(), clips)
    labels = torch.arange(clips) % len(CLASSES)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-2)
    for _ in range(steps):
        loss, _ = loss_of(net, values, masks, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net


def evaluated(cell: Cell) -> Network:
    """A network in evaluation, whose batch normalisation has seen clips: before, signals may die in deep networks."""
    net = network(cell)
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the mean of what it sees
    if norms:
        with torch.no_grad():
            run(net, *inputs(net, clips=8, seed=1))
    return net.eval()


def sizes() -> Mapping[str, int]:
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
#: Every valid pair of an encoder and a fusion; with every way of sharing, where the fusion does not join inputs.
PAIRS = [cell for cell in CELLS if "fusion" in cell]
#: Every fusion (and sharing) on the smallest encoder that fits it.
SMALLEST = list(
    {
        (cell["fusion"], cell.get("sharing")): cell
        for cell in sorted(PAIRS, key=lambda cell: SIZES[cell["encoder"]], reverse=True)
    }.values()
)
#: The same with three modalities.
THREE = list(
    {
        (cell["fusion"], cell.get("sharing")): cell
        for encoder in sorted(ENCODERS.names(), key=SIZES.__getitem__, reverse=True)
        for fusion in FUSIONS.names()
        for cell in fused_cells(encoder, fusion, ALL)
    }.values()
)
#: An encoder alone and on joined inputs, a fusion of what encoders give on one of them: neither depends on more of
#: the other than the shape it is told. All pairs are trained and evaluated, besides.
THOROUGH = [
    *ALONE,
    *(cell for cell in PAIRS if joins_inputs(cell)),
    *(cell for cell in SMALLEST if not joins_inputs(cell)),
    *THREE,
]
