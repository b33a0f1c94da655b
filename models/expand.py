"""Cells that an experiment asks for by the names of encoders and fusions: every pairing that can be trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.base import ENCODERS, FUSIONS
from affectstore.models.check import check_pair, misfit


def expand(resolved: Resolved) -> Resolved:
    """The configuration with every experiment's `encoders` and `fusions` written out as cells.

    Raises:
        UnknownNameError: a name that no file has.
        ConfigError: they give no cell at all.
    """
    return replace(resolved, experiments={name: _expanded(name, e) for name, e in resolved.experiments.items()})


def _expanded(name: str, experiment: Experiment) -> Experiment:
    if not experiment.encoders:
        return experiment
    given = {cell.id for cell in experiment.cells}
    made = [cell for cell in _cells(experiment) if cell.id not in given]
    if not made:
        raise ConfigError(
            f"experiment {name!r}: `encoders` and `fusions` give no cell: `inputs` names no feature of "
            f"{' and '.join(experiment.modalities)} for what these encoders take"
        )
    return experiment.model_copy(update={"cells": (*experiment.cells, *made), "encoders": (), "fusions": ()})


def _cells(experiment: Experiment) -> Iterator[Cell]:
    """Each encoder on each modality alone, then under each fusion that fits it.

    Of `all` encoders those are left out whose input no feature is named for, or that are not made for it (too small
    pictures); an encoder that is named is not: the check of the cell then says what is missing.
    """
    modalities = experiment.modalities
    for encoder in _named(experiment.encoders, ENCODERS.names(), "encoder"):
        takes = ENCODERS.load(encoder).SPEC.takes
        fed = [modality for modality in modalities if takes in experiment.inputs.get(modality, {})]
        if experiment.encoders == "all":
            fed = [m for m in fed if _fits(experiment, Cell(modalities=(m,), encoder=encoder))]
        else:
            fed = list(modalities)
        yield from (Cell(modalities=(modality,), encoder=encoder) for modality in fed)
        if len(fed) < 2:
            continue
        for fusion in _named(experiment.fusions, FUSIONS.names(), "fusion"):
            if not check_pair(dict.fromkeys(fed, encoder), fusion):
                teachers = {}
                if FUSIONS.load(fusion).SPEC.taught:  # by the same encoder on each modality alone, made above
                    teachers = {m: Cell(modalities=(m,), encoder=encoder).id for m in fed}
                cell = Cell(modalities=tuple(fed), encoder=encoder, fusion=fusion, teachers=teachers)
                if _fits(experiment, cell):
                    yield cell


def _fits(experiment: Experiment, cell: Cell) -> bool:
    """Whether the files of its encoder and fusion have nothing against a cell."""
    try:
        return not misfit(experiment, cell)
    except ConfigError:  # of options; the check of the cell says so
        return True


def _named(asked: str | tuple[str, ...], known: tuple[str, ...], kind: str) -> tuple[str, ...]:
    if asked == "all":
        return known
    for name in asked:
        if name not in known:
            raise UnknownNameError(f"{kind} in `{kind}s`", name, known)
    return tuple(asked)
