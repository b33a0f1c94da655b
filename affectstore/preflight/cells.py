"""Digests of a training job's settings and data, known before anything is extracted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Cell, Experiment
from affectstore.corpora.base import CORPORA, labels_of
from affectstore.digest import digest
from affectstore.errors import ConfigError
from affectstore.models.baseline_spec import BASELINES
from affectstore.models.cells.clips import participants
from affectstore.models.cells.combinations import combinations
from affectstore.models.cells.inputs import input_features, input_kinds, named_encoders
from affectstore.models.cells.options import (
    baseline_options,
    encoder_options,
    loss_options,
    pretrained_digests,
    trick_options,
)
from affectstore.models.cells.parents import ancestors, named_parents, parents_of
from affectstore.models.spec import ENCODERS, FUSIONS, LOSSES, TRAINING_VERSION, TRICKS, VECTORS_VERSION
from affectstore.paths import RESULTS

#: Fields of a cell that its numbers do not follow from, or that the digest holds elsewhere in their final form.
_NOT_OF_NETWORKS = {
    "name", "images", "train", "encoder_options", "grid",
    "inputs",  # the digest of the features' contents says more
    "baseline", "baseline_options",
    "init_from", "teachers",  # what those cells follow from says more
}  # fmt: skip


@dataclass(frozen=True)
class CellPlan:
    """A cell of an experiment on one fold.

    Attributes:
        experiment, cell, fold: Name of the experiment, the cell, the fold.
        features: Modality -> feature instance that it reads; and those that its parent cells read.
        config: Digest of all settings that its numbers follow from; None where it cannot be trained here.
        unlabelled: True if it, or one of its ancestors, is trained on clips without labels too.
        parents: Ids of its parent cells: those that it starts or learns from.
        problem: Reason why it cannot be trained here, or None: published weights that it starts from are missing or
            wrong.
        combinations: Digest of the settings of each combination of its grid, which is that of a plain cell with the
            same options.
    """

    experiment: str
    cell: Cell
    fold: int
    features: Mapping[str, str]
    config: str | None
    unlabelled: bool = False
    parents: tuple[str, ...] = ()
    problem: str | None = None
    combinations: tuple[str, ...] = ()

    @property
    def marker(self) -> Path:
        """Marker that all its seeds are trained."""
        return self.marker_of(self.cell.id)

    def marker_of(self, cell: str) -> Path:
        """Marker of another cell of the experiment on the same fold."""
        return RESULTS.marker(self.experiment, cell, self.fold)


def plan_cells(name: str, experiment: Experiment, folds: tuple[int, ...]) -> list[CellPlan]:
    """Plan every cell of an experiment on every fold."""
    return [plan for cell in experiment.cells for plan in _plan_cell(name, experiment, cell, folds)]


def _plan_cell(name: str, experiment: Experiment, cell: Cell, folds: tuple[int, ...]) -> list[CellPlan]:
    before = ancestors(experiment, cell)
    features = input_features(experiment, cell)
    for parent in before.values():
        for modality, feature in input_features(experiment, parent).items():
            if feature not in features.values():
                features[f"{parent.id} {modality}"] = feature
    unlabelled = any(experiment.training_of(one).unlabelled for one in (cell, *before.values()))
    tried: tuple[str, ...] = ()
    config = problem = None
    try:
        config, tried = _config(experiment, cell), combination_digests(experiment, cell)
    except ConfigError as error:
        problem = str(error)
    parents = tuple(parents_of(experiment, cell))
    return [CellPlan(name, cell, fold, features, config, unlabelled, parents, problem, tried) for fold in folds]


def combination_digests(experiment: Experiment, cell: Cell) -> tuple[str, ...]:
    """Digest of the settings of each combination of a cell's grid: that of a plain cell with the same options."""
    if not experiment.grid_of(cell):
        return ()
    return tuple(_config_of(experiment, one.cell) for one in combinations(experiment, cell))


def _config(experiment: Experiment, cell: Cell) -> str:
    """Digest of a cell's settings, or of those of all combinations of its grid."""
    tried = combination_digests(experiment, cell)
    return digest({"grid": list(tried)}) if tried else _config_of(experiment, cell)


def _config_of(experiment: Experiment, cell: Cell) -> str:
    """Digest of a cell's settings without its grid, and of those of the cells that it starts or learns from."""
    parents = parents_of(experiment, cell)
    named = {
        kind: {modality: _config(experiment, parents[name]) for modality, name in ids.items()}
        for kind, ids in named_parents(cell).items()
    }
    return digest({**_settings(experiment, cell), **named})


def _settings(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """All settings that a cell's weights and predictions follow from, but the number of seeds."""
    labels = experiment.model_dump(mode="json", include={"label_target", "classes", "merge", "select"})
    if cell.baseline is not None:
        options = baseline_options(cell).model_dump(mode="json")
        return {
            "vectors": VECTORS_VERSION,
            "baseline": [cell.baseline, BASELINES.load(cell.baseline).SPEC.version, options],
            "modalities": list(cell.modalities),
            **labels,
        }
    training = experiment.training_of(cell)
    return {
        "training": TRAINING_VERSION,
        "encoders": {name: ENCODERS.load(name).SPEC.version for name in named_encoders(cell).values()},
        "fusion": [cell.fusion, FUSIONS.load(cell.fusion).SPEC.version] if cell.fusion else None,
        "cell": cell.model_dump(mode="json", exclude=_NOT_OF_NETWORKS),
        "loss": LOSSES.load(training.loss).SPEC.version,
        "loss_options": loss_options(training).model_dump(mode="json"),
        "tricks": {
            name: [TRICKS.load(name).SPEC.version, options.model_dump(mode="json")]
            for name, options in trick_options(experiment, cell).items()
        },
        "images": experiment.images_of(cell).model_dump(mode="json"),
        "sequences": experiment.sequences.model_dump(mode="json") if "sequence" in input_kinds(cell).values() else None,
        "train": training.model_dump(mode="json", exclude={"tricks", "loss_options"}),
        "encoder_options": experiment.encoder_options_of(cell),
        **_published(experiment, cell),
        **_missing(experiment, cell),
        **labels,
    }


def _missing(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """Ways in which modalities are missing at test time, where they are not the default."""
    usual = Experiment.model_fields["missing"].default
    return {"missing": experiment.missing} if len(cell.modalities) > 1 and experiment.missing != usual else {}


def _published(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """Digests of the published weights that a cell's encoders start from; empty where all are initialised.

    Raises:
        ConfigError: They are missing or wrong.
    """
    found = pretrained_digests(encoder_options(experiment, cell))
    return {"weights": found} if found else {}


def data_digests(
    experiment: Experiment,
    clips: pd.DataFrame,
    split: pd.DataFrame,
    fold: int,
    features: Mapping[str, str],
    by_clip: Mapping[str, Mapping[str, str]],
    unlabelled: bool = False,
) -> dict[str, str]:
    """Digests of the data that a cell sees: its split, its labels and its features.

    Args:
        experiment: The experiment.
        clips: Clips table of its corpus.
        split: Split of the corpus by the protocol.
        fold: Fold of the split.
        features: Modality -> feature instance.
        by_clip: Feature -> clip id -> key of its values, or their digest.
        unlabelled: True if the cell is trained on clips without labels too.
    """
    taking_part = participants(clips, experiment, unlabelled)
    subsets = split.loc[(split["fold"] == fold) & split["clip_id"].isin(taking_part["clip_id"]), ["clip_id", "subset"]]
    subsets = subsets.sort_values("clip_id")
    ids = subsets["clip_id"].tolist()
    table = taking_part.set_index("clip_id").loc[ids]
    labels = _lines(ids, table["label"].tolist(), table["speaker"].tolist())
    if classes := _classes_of_own(clips, experiment):
        labels = _lines([labels, *classes])
    return {
        "split": _lines(ids, subsets["subset"].tolist()),
        "labels": labels,
        "features": _lines(*([by_clip[feature].get(i, "") for i in ids] for feature in features.values())),
    }


def _classes_of_own(clips: pd.DataFrame, experiment: Experiment) -> list[str]:
    """Classes, where they follow from the labels of the clips because the corpus' card lists none."""
    if experiment.classes or not len(clips) or CORPORA.load(clips["corpus"].iloc[0]).CARD.labels:
        return []
    return list(labels_of(clips))


def _lines(*columns: Any) -> str:
    sha256 = hashlib.sha256()
    for row in zip(*columns, strict=True):
        sha256.update(("\t".join(map(str, row)) + "\n").encode())
    return sha256.hexdigest()
