"""Cells that other cells start from (`init_from`) or learn from (`teachers`): which may be, and what stands of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from affectstore.config.experiment import Cell, Experiment
from affectstore.digest import digest
from affectstore.errors import ConfigError, StaleError, UnknownNameError
from affectstore.models.base import FUSIONS
from affectstore.models.grid import combinations
from affectstore.models.needs import encoders_of, inputs_of, takes_of


@dataclass(frozen=True)
class Source:
    """A trained cell of the same experiment and fold.

    Attributes:
        cell: its id.
        folder: holds a folder per seed.
        digests: what it was trained on.
        weights: seed -> sha256 of its model.safetensors.
    """

    cell: str
    folder: Path
    digests: Mapping[str, str]
    weights: Mapping[int, str]


def named_sources(cell: Cell) -> dict[str, dict[str, str]]:
    """ "init_from" and "teachers", those that a cell has -> modality -> id of a cell."""
    named = {"init_from": cell.init_from, "teachers": cell.teachers}
    return {kind: {str(modality): name for modality, name in ids.items()} for kind, ids in named.items() if ids}


def sources_of(experiment: Experiment, cell: Cell) -> dict[str, Cell]:
    """Id -> cell, for those that a cell names, each once.

    Raises:
        UnknownNameError: the experiment has no such cell.
    """
    by_id = {one.id: one for one in experiment.cells}
    found = {}
    for kind, ids in named_sources(cell).items():
        for name in ids.values():
            if name not in by_id:
                raise UnknownNameError(f"cell in `{kind}`", name, by_id)
            found[name] = by_id[name]
    return found


def ancestors(experiment: Experiment, cell: Cell) -> dict[str, Cell]:
    """Id -> cell, for all that a cell follows from: those it names, those that they name, and so on.

    Raises:
        UnknownNameError: the experiment has no such cell.
        ConfigError: a cell follows from itself.
    """
    found: dict[str, Cell] = {}

    def walk(one: Cell, path: tuple[str, ...]) -> None:
        for name, source in sources_of(experiment, one).items():
            if name in path:
                raise ConfigError(f"cells wait for each other: {' -> '.join((*path, name))}; take one of them out")
            found[name] = source
            walk(source, (*path, name))

    walk(cell, (cell.id,))
    return found


def check_sources(experiment: Experiment, cell: Cell) -> str:
    """Why a cell cannot start or learn from the cells that it names, or ''."""
    try:
        ancestors(experiment, cell)
        by_id = {one.id: one for one in experiment.cells}
        for kind, ids in named_sources(cell).items():
            for modality, name in ids.items():
                source = by_id[name]
                if source.baseline is not None or source.modalities != (modality,):
                    what = "a baseline" if source.baseline is not None else "of " + " and ".join(source.modalities)
                    return f"`{kind}.{modality}` names {name!r}, which is {what}; name a network of {modality} alone"
        reasons = (_check_teachers(experiment, by_id, one.cell) for one in combinations(experiment, cell))
        return _check_init(by_id, cell) or next(filter(None, reasons), "")
    except ConfigError as error:
        return str(error)


def _check_init(by_id: Mapping[str, Cell], cell: Cell) -> str:
    if cell.init_from and cell.fusion and FUSIONS.load(cell.fusion).SPEC.needs == "inputs":
        return f"`init_from`: fusion {cell.fusion!r} feeds one encoder with all modalities, which no cell of one has"
    if cell.sharing == "shared" and len(cell.init_from) > 1:
        return "`init_from`: with `sharing: shared` there is one encoder, and it can start from one cell only"
    for modality, name in cell.init_from.items():
        own, other = encoders_of(cell)[modality], encoders_of(by_id[name])[modality]
        if own != other:
            return f"`init_from.{modality}`: cell {name!r} has encoder {other!r}, and this one {own!r}"
    return ""


def _check_teachers(experiment: Experiment, by_id: Mapping[str, Cell], cell: Cell) -> str:
    taught = cell.fusion is not None and FUSIONS.load(cell.fusion).SPEC.taught
    if not cell.teachers:
        return f"fusion {cell.fusion!r} learns from trained cells; name one or several under `teachers`" * taught
    if not taught:
        able = ", ".join(name for name in FUSIONS.names() if FUSIONS.load(name).SPEC.taught)
        return f"`teachers` mean nothing to {cell.fusion or cell.encoder_label!r}; fusions that learn from them: {able}"
    training = experiment.training_of(cell)
    if training.mixup:
        return "`mixup` mixes clips, and `teachers` know them as they are; choose one of them"
    if training.balance == "g_blending":
        return "`balance: g_blending` takes the place of the fusion's own losses, so `teachers` would teach nothing"
    for modality, name in cell.teachers.items():
        source = by_id[name]
        pairs: dict[str, tuple[object, object]] = {
            "reads": (inputs_of(experiment, source)[modality], inputs_of(experiment, cell)[modality]),
            "takes": (takes_of(source)[modality], takes_of(cell)[modality]),
        }
        if "sequence" not in takes_of(cell)[modality]:
            pairs["sees"] = (experiment.pictures_of(source), experiment.pictures_of(cell))
        for verb, (other, own) in pairs.items():
            if other != own:
                return f"teacher {name!r} {verb} {other} ({modality}), and its student {own}: they must see the same"
    return ""


def read_source(cell: str, folder: Path, expected: Mapping[str, str], asked_by: str) -> Source:
    """What stands of a trained cell.

    Args:
        cell: its id.
        folder: results/runs/{experiment}/{cell}/{fold}.
        expected: what it must have been trained on: digests of its settings, split, labels and features.
        asked_by: the cell that starts or learns from it, for messages.

    Raises:
        StaleError: it is not trained, or was trained on something else. Weights that have seen another split may
            have seen the clips that are tested here.
    """
    path = folder / "fold.json"
    try:
        marker = json.loads(path.read_text(encoding="utf-8"))
        digests, weights = marker["digests"], {int(seed): value for seed, value in marker["weights"].items()}
    except FileNotFoundError:
        raise StaleError(f"{asked_by} starts or learns from {cell!r}, which is not trained: no {path}") from None
    except (OSError, ValueError, KeyError) as error:
        raise StaleError(f"{path} cannot be read ({error}); delete it, and `affectstore run` makes it again") from None
    for part, value in expected.items():
        if digests.get(part) != value:
            raise StaleError(
                f"{asked_by} starts or learns from {cell!r}, which was trained on another {part}: {path} says "
                f"{str(digests.get(part))[:12]}, here it is {value[:12]}; `affectstore run` trains it again"
            )
    return Source(cell, folder, digests, weights)


def seed_digests(digests: Mapping[str, str], sources: Mapping[str, Source], seed: int) -> dict[str, str]:
    """What one run follows from: what its cell does, and the weights of the same seed that it starts or learns from."""
    if not sources:
        return dict(digests)
    return {**digests, "sources": digest({name: source.weights.get(seed, "") for name, source in sources.items()})}


def required(cell: Cell, sources: Mapping[str, Source], seeds: int) -> Iterator[str]:
    """What is missing of the cells that a cell names."""
    for kind, ids in named_sources(cell).items():
        for name in ids.values():
            if name not in sources:
                yield f"`{kind}` names {name!r}, and its runs were not given"
            elif lacking := sorted(set(range(seeds)) - set(sources[name].weights)):
                yield f"`{kind}` names {name!r}, which has no run of seed {lacking[0]}"
