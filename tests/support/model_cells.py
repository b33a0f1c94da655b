"""Cells on which the contracts of encoders and fusions are tested, with their networks and inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.models.cells.recipe import Recipe, recipe_for
from affectstore.models.cells.validate import cell_problem, pair_problem
from affectstore.models.modules import FusionContext, Output
from affectstore.models.network import Network
from affectstore.models.spec import ENCODERS, FUSIONS, ClipShape, SequenceShape
from support.small_networks import small, small_fusion

Cell: TypeAlias = dict[str, Any]
Inputs: TypeAlias = dict[str, torch.Tensor]

CLASSES = ("ANG", "DIS", "HAP")
BOTH = ("audio", "vision")
ALL = ("audio", "vision", "text")
#: Small images, for encoders of images.
IMAGES = {"image_px": 32, "colour": "grayscale", "frames": 5}
#: Length of each step of a sequence; where weights are shared, audio has steps as long as those of vision.
DIMS = {"audio": 5, "vision": 6, "text": 6}
#: Features that encoders of images read for text, which has none by default.
TEXT_IMAGES = {"image": "faces", "clip": "frames"}
#: Number of steps of the longest clip, by modality.
LONGEST = {"audio": 9, "vision": 6, "text": 7}


def cells() -> Iterator[Cell]:
    """Every encoder alone, and every encoder with every fusion that fits it, with separate and with shared weights."""
    for encoder in ENCODERS.names():
        yield {"modalities": ["vision"], "encoder": encoder, "encoder_options": small(encoder)}
        for fusion in FUSIONS.names():
            yield from fused_cells(encoder, fusion, pair(fusion))


def fused_cells(encoder: str, fusion: str, modalities: tuple[str, ...]) -> Iterator[Cell]:
    """Cells of an encoder with a fusion: none where they do not fit, else one for each value of `sharing`."""
    if pair_problem(dict.fromkeys(modalities, encoder), fusion):
        return
    cell = {"modalities": list(modalities), "encoder": encoder, "encoder_options": small(encoder)}
    cell |= {"fusion": fusion, "fusion_options": small_fusion(fusion)}
    if "text" in modalities and (kind := ENCODERS.load(encoder).SPEC.input_kind) in TEXT_IMAGES:
        cell["inputs"] = {"text": TEXT_IMAGES[kind]}
    yield from [cell] if joins_inputs(cell) else ({**cell, "sharing": sharing} for sharing in ("separate", "shared"))


def pair(fusion: str) -> tuple[str, str]:
    """Two modalities that a fusion accepts."""
    words = FUSIONS.load(fusion).SPEC.words
    return BOTH if words is None else ("audio", words)


def joins_inputs(cell: Cell) -> bool:
    """Test if the modalities become one input of one encoder."""
    return "fusion" in cell and FUSIONS.load(cell["fusion"]).SPEC.needs == "inputs"


def name_of(cell: Cell) -> str:
    """Name of a cell in pytest."""
    parts = [cell["encoder"], "+".join(cell["modalities"]), cell.get("fusion"), cell.get("sharing")]
    return "-".join(part for part in parts if part)


def recipe(cell: Cell, **images: Any) -> Recipe:
    """The recipe of a valid cell."""
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,), images=IMAGES | images)
    assert cell_problem(experiment, experiment.cells[0]) is None
    shared = cell.get("sharing") in ("shared", "modality_agnostic")
    dims = {experiment.inputs[modality]["sequence"]: DIMS["vision" if shared else modality] for modality in DIMS}
    return recipe_for(experiment, experiment.cells[0], CLASSES, dims)


def network(cell: Cell, seed: int = 0) -> Network:
    """A newly initialised network."""
    torch.manual_seed(seed)
    return Network(recipe(cell))


def inputs(net: Network, clips: int, seed: int = 0) -> tuple[Inputs, Inputs]:
    """Random values; the last clip's last frames are padding, and sequences differ in length by clip and modality."""
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for modality, shape in net.recipe.shapes.items():
        if isinstance(shape, SequenceShape):
            longest = LONGEST[modality]
            steps = longest - torch.arange(clips) * (3 if modality == "audio" else 2) % longest
            masks[modality] = torch.arange(longest) < steps[:, None]
            values[modality] = torch.randn(clips, longest, shape.dim, generator=generator)
            values[modality] *= masks[modality][..., None]
            continue
        values[modality] = torch.randn(clips, *shape.size, generator=generator)
        frames = shape.frames if isinstance(shape, ClipShape) else 1
        masks[modality] = torch.ones(clips, frames, dtype=torch.bool)
        if isinstance(shape, ClipShape):
            masks[modality][-1, -2:] = False
            values[modality][-1, :, -2:] = 0
    return values, masks


def spans(net: Network, masks: Inputs) -> Inputs:
    """Steps under each word, each word overlapping the next; for fusions that align modalities with words."""
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


def run(
    net: Network, values: Inputs, masks: Inputs, criterion: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Output:
    """Output of a network; it receives the steps under each word where its fusion needs them."""
    output: Output = net(values, masks, FusionContext(criterion), spans=spans(net, masks))
    return output


def loss_of(net: Network, values: Inputs, masks: Inputs, labels: torch.Tensor) -> tuple[torch.Tensor, Output]:
    """Loss that training minimises, and the output of the network."""
    output = run(net, values, masks, partial(F.cross_entropy, target=labels))
    return F.cross_entropy(output.logits, labels) + sum(output.losses.values()), output


def train(net: Network, clips: int = 3, steps: int = 2) -> Network:
    """Train a network for some steps of an optimiser on one batch."""
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
    """A network in evaluation mode whose batch normalisation has statistics; without, deep ones may output zeros."""
    net = network(cell)
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # the mean over all clips
    if norms:
        with torch.no_grad():
            run(net, *inputs(net, clips=8, seed=1))
    return net.eval()


def sizes() -> Mapping[str, int]:
    """Number of parameters of every encoder as the tests build it."""
    counts = {}
    for name in ENCODERS.names():
        with torch.device("meta"):
            net = Network(recipe({"modalities": ["vision"], "encoder": name, "encoder_options": small(name)}))
        counts[name] = net.num_parameters
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
#: Every encoder alone and on joined inputs, every other fusion on one encoder: neither depends on more of the other
#: than its shape. All pairs are trained and evaluated, too.
THOROUGH = [
    *ALONE,
    *(cell for cell in PAIRS if joins_inputs(cell)),
    *(cell for cell in SMALLEST if not joins_inputs(cell)),
    *THREE,
]
