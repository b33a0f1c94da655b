"""Validation of corpora and experiments before any job runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import pandas as pd

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.messages import validated
from affectstore.config.resolve import EXPERIMENTS, Resolved
from affectstore.corpora.base import CORPORA, labels_of
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.features.keys import Features
from affectstore.models.cells.inputs import input_features, input_kinds
from affectstore.models.cells.parents import parents_problem
from affectstore.models.cells.validate import cell_problem, dims_problem
from affectstore.preflight.cells import CellPlan
from affectstore.problem import Problem
from affectstore.splits.base import check_protocol

#: Problems that a message lists, and cells that a problem names.
_SHOWN, _NAMED = 10, 3


def check_config(resolved: Resolved, features: Features) -> None:
    """Check corpora and experiments as far as that is possible without their clips.

    Raises:
        ConfigError: There are problems; the message lists the first ones, one per line.
    """
    problems = list(validate_corpora(resolved))
    if not problems:  # what is wrong with a corpus is wrong with its experiments
        problems = [problem for name in resolved.experiments for problem in validate(name, resolved, features)]
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise ConfigError("\n".join([*map(str, problems[:_SHOWN]), *more]))


def validate_corpora(resolved: Resolved) -> Iterator[Problem]:
    """Problems of the corpora that config.yaml names: kind and options."""
    for corpus, settings in resolved.config.corpora.items():
        where, kind = f"corpora.{corpus}", resolved.config.kind_of(corpus)
        if kind not in CORPORA.names():
            hint = f"a name of your own needs `kind`, such as `{corpus}: {{kind: folder, root: ...}}`"
            unknown = UnknownNameError("corpus", kind, CORPORA.names())
            yield Problem(where, str(unknown) if settings.kind else f"{unknown} {hint}")
            continue
        module = CORPORA.load(kind)
        if hasattr(module, "Options"):
            place = f"{where}.options"
            try:
                validated(module.Options, settings.options, place)
            except ConfigError as error:
                yield Problem(place, str(error).removeprefix(f"{place}:").strip())
        elif settings.options:
            yield Problem(f"{where}.options", f"{kind} has no options, found {sorted(settings.options)}")


def validate(name: str, resolved: Resolved, features: Features) -> Iterator[Problem]:
    """Problems of an experiment: its corpus, protocol, labels, cells and features.

    Args:
        name: Name of the experiment.
        resolved: Configuration of the run.
        features: Every feature instance.
    """
    where, experiment = f"{EXPERIMENTS}/{name}.yaml", resolved.experiment(name)
    if experiment.corpus not in resolved.config.corpora:
        known = resolved.config.corpora
        yield _unknown(where, "corpus (corpora of config.yaml)", experiment.corpus, known)
        return
    try:
        check_protocol(experiment.protocol)
    except ConfigError as error:
        yield Problem(where, str(error))
    # The labels of a corpus whose card lists none are known once it is scanned; see `validate_clips`.
    if labels := CORPORA.load(resolved.config.kind_of(experiment.corpus)).CARD.labels:
        yield from _labels(where, experiment, labels)
    cells: dict[str, list[str]] = {}
    for cell in experiment.cells:
        for reason in _cell(experiment, cell, features):
            cells.setdefault(reason, []).append(repr(cell.id))
    for reason, ids in cells.items():  # once, however many cells it concerns
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        yield Problem(f"{where}, {'cell' if len(ids) == 1 else 'cells'} {', '.join(ids[:_NAMED])}{more}", reason)


def _cell(experiment: Experiment, cell: Cell, features: Features) -> Iterator[str]:
    """Reasons why a cell is invalid."""
    reason = cell_problem(experiment, cell) or parents_problem(experiment, cell)
    reason = reason or dims_problem(experiment, cell, _dims(experiment, cell, features))
    if reason:
        yield reason
        return
    for modality, feature in input_features(experiment, cell).items():
        known = [*features, *features.unusable]
        if feature not in known:
            yield str(UnknownNameError(f"feature for {modality} (features of config.yaml)", feature, known))


def _dims(experiment: Experiment, cell: Cell, features: Features) -> dict[str, int]:
    """Feature -> values of each row, of the sequences that a cell reads by shared weights, as far as they are known."""
    if cell.sharing not in ("shared", "modality_agnostic"):
        return {}
    kinds, found = input_kinds(cell), {}
    for modality, feature in input_features(experiment, cell).items():
        if kinds[modality] == "sequence":
            with suppress(ConfigError, ImportError):  # its libraries are not installed here: the training job checks
                found[feature] = math.prod(features[feature].extractor.arrays()[0].shape)
    return found


def validate_clips(
    name: str,
    experiment: Experiment,
    clips: pd.DataFrame,
    split: pd.DataFrame,
    cells: Iterable[CellPlan],
    unusable: Mapping[str, str],
) -> Iterator[Problem]:
    """Problems of an experiment that show once its clips are known: labels, folds, features, weights, grids.

    Args:
        name: Name of the experiment.
        experiment: The experiment.
        clips: Clips table of its corpus.
        split: Split of the corpus by the protocol.
        cells: Plans of its cells on their folds.
        unusable: Feature -> reason why it cannot be computed here.
    """
    where = f"{EXPERIMENTS}/{name}.yaml"
    if len(clips):
        targets = [column.removeprefix("label_") for column in map(str, clips) if column.startswith("label_")]
        there = [target for target in targets if clips[f"label_{target}"].notna().any()]
        if experiment.label_target not in there:
            yield Problem(
                where,
                f"label_target is {experiment.label_target!r}, and no clip of {experiment.corpus} has such a label; "
                f"label targets that it has: {', '.join(there) or 'none'}",
            )
        elif not CORPORA.load(clips["corpus"].iloc[0]).CARD.labels:
            yield from _labels(where, experiment, labels_of(clips))
    known = sorted(set(split["fold"]))
    if beyond := sorted(set(experiment.folds or ()) - set(known)):
        yield Problem(where, f"folds {beyond}; protocol {experiment.protocol!r} has {known}")
        return
    cells = list(cells)
    for feature in sorted({feature for cell in cells for feature in cell.features.values()} & unusable.keys()):
        reason = f"reads features.{feature}, which cannot be computed here: {unusable[feature]}"
        yield Problem(where, reason)
    yield from validate_weights(name, cells)
    yield from validate_grids(experiment, cells, split)


def validate_grids(experiment: Experiment, plans: Iterable[CellPlan], split: pd.DataFrame) -> Iterator[Problem]:
    """Cells and folds whose grid cannot be chosen from, because the fold has no validation subset."""
    folds = set(split.loc[split["subset"] == "val", "fold"])
    for plan in plans:
        if plan.combinations and plan.fold not in folds:
            yield Problem(
                f"experiment {plan.experiment!r}, cell {plan.cell.id!r}",
                f"`grid` is chosen on the validation subset, and protocol {experiment.protocol!r} has none in fold "
                f"{plan.fold}; choose another protocol, or set the options themselves",
            )


def validate_weights(name: str, plans: Iterable[CellPlan]) -> Iterator[Problem]:
    """Problems with the published weights that cells of an experiment start from, each once."""
    cells: dict[str, dict[str, None]] = {}
    for plan in plans:
        if plan.problem is not None:
            cells.setdefault(plan.problem, {})[plan.cell.id] = None
    for reason, ids in cells.items():
        yield Problem(f"experiment {name!r}", f"{', '.join(ids)} cannot be trained here: {reason}")


def _labels(where: str, experiment: Experiment, labels: Iterable[str]) -> Iterator[Problem]:
    """Labels that an experiment merges or classifies, and that its corpus does not have."""
    given = set(labels)
    merged = given | set(experiment.merge.values())
    for key, known, used in (("merge", given, experiment.merge), ("classes", merged, experiment.classes)):
        for label in used:
            if label not in known:
                yield _unknown(where, f"label in `{key}`", label, known)


def _unknown(where: str, kind: str, name: str, known: Iterable[str] | Mapping[str, object]) -> Problem:
    return Problem(where, str(UnknownNameError(kind, name, known)))
