"""The combinations of a cell's `grid`: each a cell of its own, with the values put in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.grid import of_kinds
from affectstore.config.messages import validated
from affectstore.config.training import Training
from affectstore.errors import ConfigError

#: More than this is a slip: every combination is trained with every seed on every fold.
MOST = 1000


@dataclass(frozen=True)
class Combination:
    """One value for each swept option.

    Attributes:
        options: dotted path -> value; empty for a cell without a grid.
        cell: with these values put in, and no grid of its own.
    """

    options: Mapping[str, Any]
    cell: Cell

    @property
    def label(self) -> str:
        """For messages: `train.epochs 5, train.learning_rate 0.01`."""
        return ", ".join(f"{key} {value}" for key, value in self.options.items())


def combinations(experiment: Experiment, cell: Cell) -> tuple[Combination, ...]:
    """All combinations of a cell's grid; one, the cell itself, where it has none.

    The order is that of nested loops: keys by name, the last one fastest, values as they are written.

    Raises:
        ConfigError: a value is impossible for the engine, an option has no such part, or there are too many.
    """
    grid = experiment.grid_of(cell)
    if not grid:
        return (Combination({}, cell),)
    if (count := math.prod(map(len, grid.values()))) > MOST:
        raise ConfigError(f"`grid` has {count:,} combinations ({', '.join(grid)}); at most {MOST:,} are trained")
    chosen = (dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))
    return tuple(_combination(experiment, cell, options) for options in chosen)


def _combination(experiment: Experiment, cell: Cell, options: Mapping[str, Any]) -> Combination:
    given: dict[str, Any] = {
        "train": experiment.training_of(cell).model_dump(),
        "encoder_options": experiment.encoder_options_of(cell),
        "fusion_options": cell.fusion_options,
        "baseline_options": cell.baseline_options,
    }
    changed: dict[str, Any] = {}
    for key, value in options.items():
        kind, *path = key.split(".")
        changed[kind] = _put(changed.get(kind, given[kind]), path, value, key)
    if "train" in changed:
        label = Combination(options, cell).label
        changed["train"] = validated(Training, changed["train"], f"`train` with {label} of the grid")
        read = changed["train"].model_dump(mode="json")
        options = {key: _at(read, key) if key.startswith("train.") else value for key, value in options.items()}
    return Combination(options, cell.model_copy(update={**changed, "grid": {}}))


def _at(train: Mapping[str, Any], key: str) -> Any:
    """A setting of the engine as it is read: YAML takes `1e-3` for text."""
    value: Any = train
    for name in key.split(".")[1:]:
        value = value[name]
    return value


def _put(tree: Any, path: Sequence[str], value: Any, key: str) -> dict[str, Any]:
    """A copy of nested mappings with one value put in."""
    if not isinstance(tree, Mapping):
        whole = key.removesuffix("." + ".".join(path))
        raise ConfigError(
            f"`grid` names {key!r}, and {whole} is {tree!r} here, which has no parts; sweep it as a whole"
        )
    first, *rest = path
    return {**tree, first: _put(tree.get(first, {}), rest, value, key) if rest else value}


def unreached(experiment: Experiment) -> str:
    """Why a key of the experiment's or an encoder's `grid` sweeps nothing, or ''."""
    layers = [("`grid`", experiment.grid, experiment.cells)]
    for label, settings in experiment.encoder_settings.items():
        cells = tuple(cell for cell in experiment.cells if cell.encoder_label == label)
        layers += [(f"`encoder_settings.{label}.grid`", settings.grid, cells)] if cells else []
    for where, grid, cells in layers:
        for key in grid:
            if not any(of_kinds({key: ()}, cell.swept) for cell in cells):
                return f"{where} names {key!r}, and no cell has {key.partition('.')[0]}"
    return ""
