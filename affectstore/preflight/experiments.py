"""Judge the runs of an experiment: which cells and folds have to be trained, and whether it must be scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.digest import digest
from affectstore.errors import AffectstoreError
from affectstore.evaluation.version import SCORING_VERSION
from affectstore.preflight.cells import CellPlan, data_digests, plan_cells
from affectstore.preflight.judge import STORE, FeatureState
from affectstore.preflight.plan import PLANS
from affectstore.preflight.request import write_request
from affectstore.splits.base import PROTOCOLS, split_digest

SPLITS = Path("results/splits")
METRICS = Path("results/metrics")
_FEATURES = "features changed"


@dataclass(frozen=True)
class ExperimentState:
    """Where an experiment stands.

    Attributes:
        cells: every cell and fold.
        missing: marker -> why it has to be trained.
        folds: the folds that are run.
        pending: whether it has to be scored again.
        problem: why the experiment cannot be run at all, or ''.
    """

    cells: tuple[CellPlan, ...]
    missing: Mapping[str, str]
    folds: tuple[int, ...]
    pending: bool
    problem: str = ""


def judge_experiment(
    name: str,
    experiment: Experiment,
    clips: pd.DataFrame,
    store: Mapping[str, FeatureState],
    unusable: Mapping[str, str],
) -> ExperimentState:
    """Compare the markers of trained cells with what they should have been trained on.

    Args:
        name, experiment: which.
        clips: the clips table of its corpus.
        store: where the corpus' features stand.
        unusable: feature -> why it cannot be computed here.
    """
    try:
        split = PROTOCOLS.load(experiment.protocol).split(clips)
    except AffectstoreError as error:
        return ExperimentState((), {}, (), True, str(error))
    _judge_split(experiment, split)
    known = sorted(set(split["fold"]))
    folds = experiment.folds or tuple(known)
    beyond = sorted(set(folds) - set(known))
    if beyond:
        return ExperimentState(
            (), {}, folds, True, f"experiment {name!r}: folds {beyond}; protocol {experiment.protocol!r} has {known}"
        )
    cells = tuple(plan_cells(name, experiment, folds))
    used_features = {feature for cell in cells for feature in cell.features.values()}
    for feature in sorted(used_features & unusable.keys()):
        problem = f"experiment {name!r} reads features.{feature}, which cannot be computed here: {unusable[feature]}"
        return ExperimentState((), {}, folds, True, problem)
    keys = {feature: store[feature].key_of_clip() for feature in used_features}
    missing: dict[str, str] = {}
    by_key: dict[Any, dict[str, str]] = {}
    by_content: dict[Any, dict[str, str]] = {}
    for cell in cells:
        seen = (tuple(sorted(cell.features.items())), cell.fold)
        if seen not in by_key:
            by_key[seen] = data_digests(experiment, clips, split, cell.fold, cell.features, keys)
        reason = _disagreement(cell, experiment.seeds, by_key[seen])
        if reason == _FEATURES and not any(store[feature].missing for feature in cell.features.values()):
            if seen not in by_content:
                contents = {feature: store[feature].content_of_clip() for feature in cell.features.values()}
                by_content[seen] = data_digests(experiment, clips, split, cell.fold, cell.features, contents)
            reason = _disagreement(cell, experiment.seeds, by_key[seen], by_content[seen])
        if reason:
            cell.marker.unlink(missing_ok=True)
            missing[str(cell.marker)] = reason
    pending = bool(missing) or _scored(name) != runs_digest(experiment, cells)
    write_request(PLANS / "experiments" / f"{name}.json", {"experiment": name}, pending)
    return ExperimentState(cells, missing, folds, pending)


def _judge_split(experiment: Experiment, split: pd.DataFrame) -> None:
    """Drop a split that was made of other clips; it is remade in a second."""
    for folder in (SPLITS / experiment.corpus, STORE / experiment.corpus / "splits"):
        path = folder / f"{experiment.protocol}.parquet"
        record = path.with_suffix(".json")
        try:
            stands = path.exists() and json.loads(record.read_text())["digest"] == split_digest(split)
        except (OSError, ValueError, KeyError):
            stands = False
        if not stands:
            (SPLITS / experiment.corpus / path.name).unlink(missing_ok=True)


def _disagreement(
    cell: CellPlan, seeds: int, by_key: Mapping[str, str], by_content: Mapping[str, str] | None = None
) -> str:
    """Why the marker of a cell does not hold, or ''.

    The clips' keys say that nothing changed; where keys changed, equal contents say that it made no
    difference (a file was rewritten with the same pictures): nothing is trained again for that.
    """
    try:
        marker = json.loads(cell.marker.read_text())
        digests, trained_keys, trained = marker["digests"], marker["keys"], set(marker["seeds"])
    except FileNotFoundError:
        return "new"
    except (OSError, ValueError, KeyError) as error:
        return f"its marker cannot be read: {error}"
    if digests.get("config") != cell.config:
        return "settings or version changed"
    for part in ("split", "labels"):
        if digests.get(part) != by_key[part]:
            return f"{part} changed"
    if trained_keys != by_key["features"] and (by_content is None or digests.get("features") != by_content["features"]):
        return _FEATURES
    if not set(range(seeds)) <= trained:
        return f"{seeds} seeds asked for, {len(trained)} trained"
    return ""


def runs_digest(experiment: Experiment, cells: Iterable[CellPlan]) -> str:
    """What the metrics of an experiment follow from: its runs, and how many seeds of them count."""
    runs = {str(cell.marker): json.loads(cell.marker.read_text()) for cell in cells}
    return digest({"scoring": SCORING_VERSION, "seeds": experiment.seeds, "title": experiment.title, "runs": runs})


def _scored(name: str) -> str | None:
    """Digest of the runs that the metrics on disk were computed from."""
    try:
        return json.loads((METRICS / f"{name}.json").read_text())["runs"]
    except (OSError, ValueError, KeyError):
        return None
