"""Cells that an experiment requests by the names of encoders and fusions: every pair that can be trained."""

from collections.abc import Iterator
from dataclasses import replace

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.cells.validate import network_problem, pair_problem
from affectstore.models.spec import ENCODERS, FUSIONS


def expand(resolved: Resolved) -> Resolved:
    """Write out every experiment's `encoders` and `fusions` as cells.

    Raises:
        UnknownNameError: No file has the name of an encoder or a fusion.
        ConfigError: An experiment has no cell at all.
    """
    return replace(resolved, experiments={name: _expanded(name, e) for name, e in resolved.experiments.items()})


def _expanded(name: str, experiment: Experiment) -> Experiment:
    if not experiment.encoders:
        return experiment
    listed = {cell.id for cell in experiment.cells}
    made = [cell for cell in _cells(experiment) if cell.id not in listed]
    if not made:
        raise ConfigError(
            f"experiment {name!r}: `encoders` and `fusions` make no cell: `inputs` names no feature of "
            f"{' and '.join(experiment.modalities)} for the input kinds of these encoders"
        )
    return experiment.model_copy(update={"cells": (*experiment.cells, *made), "encoders": (), "fusions": ()})


def _cells(experiment: Experiment) -> Iterator[Cell]:
    """Each encoder on each modality alone, then with each fusion that fits it.

    Of `all` encoders those are left out for which no feature is named, or whose images are too small. An encoder that
    is named is kept: the validation of the cell then reports what is missing.
    """
    modalities = experiment.modalities
    for encoder in _selected(experiment.encoders, ENCODERS.names(), "encoder"):
        kind = ENCODERS.load(encoder).SPEC.input_kind
        used = list(modalities)
        if experiment.encoders == "all":
            fed = [modality for modality in modalities if kind in experiment.inputs.get(modality, {})]
            used = [m for m in fed if _fits(experiment, Cell(modalities=(m,), encoder=encoder))]
        yield from (Cell(modalities=(modality,), encoder=encoder) for modality in used)
        if len(used) < 2:
            continue
        for fusion in _selected(experiment.fusions, FUSIONS.names(), "fusion"):
            if pair_problem(dict.fromkeys(used, encoder), fusion):
                continue
            teachers = {}
            if FUSIONS.load(fusion).SPEC.needs_teachers:  # the same encoder on each modality alone, made above
                teachers = {m: Cell(modalities=(m,), encoder=encoder).id for m in used}
            cell = Cell(modalities=tuple(used), encoder=encoder, fusion=fusion, teachers=teachers)
            if _fits(experiment, cell):
                yield cell


def _fits(experiment: Experiment, cell: Cell) -> bool:
    """Test if the encoders and the fusion of a cell can process its inputs."""
    try:
        return network_problem(experiment, cell) is None
    except ConfigError:  # about options; the validation of the cell reports it
        return True


def _selected(names: str | tuple[str, ...], known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    if names == "all":
        return known
    for name in names:
        if name not in known:
            raise UnknownNameError(f"{kind} in `{kind}s`", name, known)
    return tuple(names)
