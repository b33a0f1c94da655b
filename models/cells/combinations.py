"""Combinations of a cell's `grid`: each a cell of its own, with the swept values filled in."""

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

#: More combinations are taken for a mistake: every one is trained with every seed on every fold.
MAX_COMBINATIONS = 1000


@dataclass(frozen=True)
class Combination:
    """One value for each swept option.

    Attributes:
        options: Dotted path -> value; empty for a cell without a grid.
        cell: The cell with these values filled in, without a grid.
    """

    options: Mapping[str, Any]
    cell: Cell

    @property
    def label(self) -> str:
        """Text for messages: `train.epochs 5, train.learning_rate 0.01`."""
        return ", ".join(f"{key} {value}" for key, value in self.options.items())


def combinations(experiment: Experiment, cell: Cell) -> tuple[Combination, ...]:
    """All combinations of a cell's grid; the cell itself where it has none.

    They are ordered like nested loops: keys by name, the last one fastest, values as written.

    Raises:
        ConfigError: A value is impossible for `train`, an option has no such part, or there are too many combinations.
    """
    grid = experiment.grid_of(cell)
    if not grid:
        return (Combination({}, cell),)
    if (count := math.prod(map(len, grid.values()))) > MAX_COMBINATIONS:
        raise ConfigError(
            f"`grid` has {count:,} combinations ({', '.join(grid)}); at most {MAX_COMBINATIONS:,} are trained"
        )
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
        changed[kind] = _replace_value(changed.get(kind, given[kind]), path, value, key)
    if "train" in changed:
        label = Combination(options, cell).label
        changed["train"] = validated(Training, changed["train"], f"`train` with {label} of the grid")
        read = changed["train"].model_dump(mode="json")
        options = {key: _value_at(read, key) if key.startswith("train.") else value for key, value in options.items()}
    return Combination(options, cell.model_copy(update={**changed, "grid": {}}))


def _value_at(train: Mapping[str, Any], key: str) -> Any:
    """Validated value of a setting of `train`: YAML reads `1e-3` as text."""
    value: Any = train
    for name in key.split(".")[1:]:
        value = value[name]
    return value


def _replace_value(tree: Any, path: Sequence[str], value: Any, key: str) -> dict[str, Any]:
    """A copy of nested mappings with one value replaced."""
    if not isinstance(tree, Mapping):
        whole = key.removesuffix("." + ".".join(path))
        raise ConfigError(
            f"`grid` names {key!r}, and {whole} is {tree!r} here, which has no parts; sweep it as a whole"
        )
    first, *rest = path
    return {**tree, first: _replace_value(tree.get(first, {}), rest, value, key) if rest else value}


def find_unused_key(experiment: Experiment) -> str | None:
    """Reason why a key of the experiment's or an encoder's `grid` sweeps nothing, or None."""
    layers = [("`grid`", experiment.grid, experiment.cells)]
    for label, settings in experiment.encoder_settings.items():
        cells = tuple(cell for cell in experiment.cells if cell.encoder_label == label)
        layers += [(f"`encoder_settings.{label}.grid`", settings.grid, cells)] if cells else []
    for where, grid, cells in layers:
        for key in grid:
            if not any(of_kinds({key: ()}, cell.swept) for cell in cells):
                return f"{where} names {key!r}, and no cell has {key.partition('.')[0]}"
    return None
