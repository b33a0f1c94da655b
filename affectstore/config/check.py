"""Names across the configuration: every one must be declared somewhere."""

from __future__ import annotations

import math
from contextlib import suppress

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.messages import validated
from affectstore.config.resolve import Resolved
from affectstore.corpora.base import CORPORA
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.features.keys import Features
from affectstore.models.cells.inputs import input_features, input_kinds
from affectstore.models.cells.parents import parents_problem
from affectstore.models.cells.validate import cell_problem, dims_problem
from affectstore.splits.base import check_protocol


def check_names(resolved: Resolved, features: Features) -> None:
    """Check what the models alone cannot see: corpora, protocols, features, labels, encoders, fusions and baselines.

    Raises:
        ConfigError: the first name that is unknown or combination that is impossible.
    """
    for corpus, settings in resolved.config.corpora.items():
        kind = resolved.config.kind_of(corpus)
        if kind not in CORPORA.names() and settings.kind is None:
            hint = f"a name of your own needs `kind`, such as `{corpus}: {{kind: folder, root: ...}}`"
            raise ConfigError(f"{UnknownNameError('corpus', corpus, CORPORA.names())} {hint}")
        module = CORPORA.load(kind)
        if hasattr(module, "Options"):
            validated(module.Options, settings.options, f"corpora.{corpus}.options")
        elif settings.options:
            raise ConfigError(f"corpora.{corpus}.options: {kind} has no options, found {sorted(settings.options)}")
    for name, experiment in resolved.experiments.items():
        _check_experiment(resolved, features, name, experiment)


def _check_experiment(resolved: Resolved, features: Features, name: str, experiment: Experiment) -> None:
    where = f"workflow/experiments/{name}.yaml"
    if experiment.corpus not in resolved.config.corpora:
        raise UnknownNameError(
            f"corpus of {where} (corpora of config.yaml)", experiment.corpus, resolved.config.corpora
        )
    check_protocol(experiment.protocol, where)
    # a corpus of any labels is looked at when it is scanned: the last scan may not know the newest
    labels = CORPORA.load(resolved.config.kind_of(experiment.corpus)).CARD.labels
    for label in experiment.merge if labels else ():
        if label not in labels:
            raise UnknownNameError(f"label in `merge` of {where}", label, labels)
    for label in experiment.classes if labels else ():
        if label not in {*labels, *experiment.merge.values()}:
            raise UnknownNameError(f"label in `classes` of {where}", label, {*labels, *experiment.merge.values()})
    for cell in experiment.cells:
        reason = cell_problem(experiment, cell) or parents_problem(experiment, cell)
        reason = reason or dims_problem(experiment, cell, _dims(experiment, cell, features))
        if reason:
            raise ConfigError(f"{where}, cell {cell.id!r}: {reason}")
        for modality, feature in input_features(experiment, cell).items():
            if feature not in {*features, *features.unusable}:
                known = [*features, *features.unusable]
                raise UnknownNameError(f"feature for {modality} of {where}, cell {cell.id!r}", feature, known)


def _dims(experiment: Experiment, cell: Cell, features: Features) -> dict[str, int]:
    """Feature -> values of each row, of the sequences that a cell reads by shared weights, as far as they are known."""
    if cell.sharing not in ("shared", "modality_agnostic"):
        return {}
    kinds, found = input_kinds(cell), {}
    for modality, feature in input_features(experiment, cell).items():
        if kinds[modality] == "sequence":
            with suppress(ConfigError, ImportError):  # what computes it is not here: the training job will see
                found[feature] = math.prod(features[feature].extractor.arrays()[0].shape)
    return found
