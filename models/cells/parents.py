"""Parent cells: trained cells that another one starts from (`init_from`) or learns from (`teachers`)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from affectstore.config.experiment import Cell, Experiment
from affectstore.digest import digest
from affectstore.errors import ConfigError, StaleError, UnknownNameError
from affectstore.models.cells.combinations import combinations
from affectstore.models.cells.inputs import input_features, input_kinds, named_encoders
from affectstore.models.spec import FUSIONS


@dataclass(frozen=True)
class ParentRuns:
    """Runs of a parent cell on the same fold.

    Attributes:
        cell: Id of the parent cell.
        folder: Holds a folder per seed.
        digests: Digests of the data and settings that it was trained on.
        weights: Seed -> sha256 of its model.safetensors.
    """

    cell: str
    folder: Path
    digests: Mapping[str, str]
    weights: Mapping[int, str]


def named_parents(cell: Cell) -> dict[str, dict[str, str]]:
    """Setting ("init_from" or "teachers") that a cell has -> modality -> id of the parent cell."""
    named = {"init_from": cell.init_from, "teachers": cell.teachers}
    return {kind: {str(modality): name for modality, name in ids.items()} for kind, ids in named.items() if ids}


def parents_of(experiment: Experiment, cell: Cell) -> dict[str, Cell]:
    """Id -> parent cell, each once.

    Raises:
        UnknownNameError: The experiment has no such cell.
    """
    by_id = {one.id: one for one in experiment.cells}
    found = {}
    for kind, ids in named_parents(cell).items():
        for name in ids.values():
            if name not in by_id:
                raise UnknownNameError(f"cell in `{kind}`", name, by_id)
            found[name] = by_id[name]
    return found


def ancestors(experiment: Experiment, cell: Cell) -> dict[str, Cell]:
    """Id -> cell, of all parents, their parents, and so on.

    Raises:
        UnknownNameError: The experiment has no such cell.
        ConfigError: A cell is its own ancestor.
    """
    found: dict[str, Cell] = {}

    def walk(one: Cell, path: tuple[str, ...]) -> None:
        for name, parent in parents_of(experiment, one).items():
            if name in path:
                raise ConfigError(f"cells wait for each other: {' -> '.join((*path, name))}; take one of them out")
            found[name] = parent
            walk(parent, (*path, name))

    walk(cell, (cell.id,))
    return found


def parents_problem(experiment: Experiment, cell: Cell) -> str | None:
    """Reason why a cell cannot start or learn from its parent cells, or None."""
    try:
        ancestors(experiment, cell)
        by_id = {one.id: one for one in experiment.cells}
        for kind, ids in named_parents(cell).items():
            for modality, name in ids.items():
                parent = by_id[name]
                if parent.baseline is not None or parent.modalities != (modality,):
                    what = "a baseline" if parent.baseline is not None else "of " + " and ".join(parent.modalities)
                    return f"`{kind}.{modality}` names {name!r}, which is {what}; name a network of {modality} alone"
        reasons = (_teachers_problem(experiment, by_id, one.cell) for one in combinations(experiment, cell))
        return _init_problem(by_id, cell) or next(filter(None, reasons), None)
    except ConfigError as error:
        return str(error)


def _init_problem(by_id: Mapping[str, Cell], cell: Cell) -> str | None:
    if cell.init_from and cell.fusion and FUSIONS.load(cell.fusion).SPEC.needs == "inputs":
        return f"`init_from`: fusion {cell.fusion!r} feeds one encoder with all modalities, which no cell of one has"
    if cell.sharing == "shared" and len(cell.init_from) > 1:
        return "`init_from`: with `sharing: shared` there is one encoder, and it can start from one cell only"
    for modality, name in cell.init_from.items():
        own, other = named_encoders(cell)[modality], named_encoders(by_id[name])[modality]
        if own != other:
            return f"`init_from.{modality}`: cell {name!r} has encoder {other!r}, and this one {own!r}"
    return None


def _teachers_problem(experiment: Experiment, by_id: Mapping[str, Cell], cell: Cell) -> str | None:
    needed = cell.fusion is not None and FUSIONS.load(cell.fusion).SPEC.needs_teachers
    if not cell.teachers:
        return (
            f"fusion {cell.fusion!r} learns from trained cells; name one or several under `teachers`"
            if needed
            else None
        )
    if not needed:
        able = ", ".join(name for name in FUSIONS.names() if FUSIONS.load(name).SPEC.needs_teachers)
        return f"`teachers` mean nothing to {cell.fusion or cell.encoder_label!r}; fusions that learn from them: {able}"
    for modality, name in cell.teachers.items():
        teacher = by_id[name]
        compared: dict[str, tuple[object, object]] = {
            "reads": (input_features(experiment, teacher)[modality], input_features(experiment, cell)[modality]),
            "has inputs of kind": (input_kinds(teacher)[modality], input_kinds(cell)[modality]),
        }
        if "sequence" not in input_kinds(cell)[modality]:
            compared["sees"] = (experiment.images_of(teacher), experiment.images_of(cell))
        for verb, (other, own) in compared.items():
            if other != own:
                return f"teacher {name!r} {verb} {other} ({modality}), and its student {own}: they must see the same"
    return None


def read_parent(cell: str, folder: Path, expected: Mapping[str, str], child: str) -> ParentRuns:
    """Read the marker of a trained parent cell.

    Args:
        cell: Id of the parent cell.
        folder: results/runs/{experiment}/{cell}/{fold}.
        expected: Digests that it must have been trained on: settings, split, labels and features.
        child: Id of the cell that starts or learns from it, for messages.

    Raises:
        StaleError: It is not trained, or was trained on something else. Weights that have seen another split may have
            seen the clips that are tested here.
    """
    path = folder / "fold.json"
    try:
        marker = json.loads(path.read_text(encoding="utf-8"))
        digests, weights = marker["digests"], {int(seed): value for seed, value in marker["weights"].items()}
    except FileNotFoundError:
        raise StaleError(f"{child} starts or learns from {cell!r}, which is not trained: no {path}") from None
    except (OSError, ValueError, KeyError) as error:
        raise StaleError(f"{path} cannot be read ({error}); delete it, and `affectstore run` makes it again") from None
    for part, value in expected.items():
        if digests.get(part) != value:
            raise StaleError(
                f"{child} starts or learns from {cell!r}, which was trained on another {part}: {path} has "
                f"{str(digests.get(part))[:12]}, here it is {value[:12]}; `affectstore run` trains it again"
            )
    return ParentRuns(cell, folder, digests, weights)


def seed_digests(digests: Mapping[str, str], parents: Mapping[str, ParentRuns], seed: int) -> dict[str, str]:
    """Digests of one run: those of its cell, and of the parents' weights of the same seed."""
    if not parents:
        return dict(digests)
    return {**digests, "parents": digest({name: parent.weights.get(seed, "") for name, parent in parents.items()})}


def missing_parents(cell: Cell, parents: Mapping[str, ParentRuns], seeds: int) -> Iterator[str]:
    """Yield a message for every parent run that a cell needs and does not have."""
    for kind, ids in named_parents(cell).items():
        for name in ids.values():
            if name not in parents:
                yield f"`{kind}` names {name!r}, and its runs were not given"
            elif lacking := sorted(set(range(seeds)) - set(parents[name].weights)):
                yield f"`{kind}` names {name!r}, which has no run of seed {lacking[0]}"
