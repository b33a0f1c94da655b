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
from affectstore.models.check import check_cell, check_columns
from affectstore.models.needs import inputs_of, takes_of
from affectstore.models.sources import check_sources
from affectstore.splits.base import PROTOCOLS


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
    if experiment.protocol not in PROTOCOLS.names():
        raise UnknownNameError(f"protocol of {where}", experiment.protocol, PROTOCOLS.names())
    # a corpus of any labels is looked at when it is scanned: the last scan may not know the newest
    labels = CORPORA.load(resolved.config.kind_of(experiment.corpus)).CARD.labels
    for label in experiment.merge if labels else ():
        if label not in labels:
            raise UnknownNameError(f"label in `merge` of {where}", label, labels)
    for label in experiment.classes if labels else ():
        if label not in {*labels, *experiment.merge.values()}:
            raise UnknownNameError(f"label in `classes` of {where}", label, {*labels, *experiment.merge.values()})
    for cell in experiment.cells:
        reason = check_cell(experiment, cell) or check_sources(experiment, cell)
        reason = reason or check_columns(experiment, cell, _columns(experiment, cell, features))
        if reason:
            raise ConfigError(f"{where}, cell {cell.id!r}: {reason}")
        for modality, feature in inputs_of(experiment, cell).items():
            if feature not in {*features, *features.unusable}:
                known = [*features, *features.unusable]
                raise UnknownNameError(f"feature for {modality} of {where}, cell {cell.id!r}", feature, known)


def _columns(experiment: Experiment, cell: Cell, features: Features) -> dict[str, int]:
    """Feature -> its columns, of the sequences that a cell reads by shared weights, as far as they are known here."""
    if cell.sharing not in ("shared", "union"):
        return {}
    takes, found = takes_of(cell), {}
    for modality, feature in inputs_of(experiment, cell).items():
        if takes[modality] == "sequence":
            with suppress(ConfigError, ImportError):  # what computes it is not here: the training job will see
                found[feature] = math.prod(features[feature].extractor.arrays()[0].shape)
    return found
