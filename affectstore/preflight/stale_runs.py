"""Cells and folds of an experiment that have to be trained, and experiments that have to be scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.digest import digest
from affectstore.errors import AffectstoreError, StoreError
from affectstore.evaluation.runs import SCORING_VERSION
from affectstore.paths import RESULTS
from affectstore.preflight.cells import CellPlan, data_digests, plan_cells
from affectstore.preflight.plan import write_request
from affectstore.preflight.stale_ledgers import FeatureState
from affectstore.preflight.validate import validate_clips
from affectstore.problem import Problem
from affectstore.splits.base import PROTOCOLS, split_digest

_FEATURES = "features changed"


@dataclass(frozen=True)
class ExperimentState:
    """State of an experiment.

    Attributes:
        cells: Every cell and fold.
        missing: Marker -> reason why it has to be trained.
        pending: True if it has to be scored again.
        problems: Reasons why the experiment cannot be run at all.
    """

    cells: tuple[CellPlan, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    pending: bool = True
    problems: tuple[Problem, ...] = ()


def find_stale_runs(
    name: str,
    experiment: Experiment,
    clips: pd.DataFrame,
    store: Mapping[str, FeatureState],
    unusable: Mapping[str, str],
) -> ExperimentState:
    """Compare the markers of trained cells with the data that they should have been trained on; remove stale ones.

    Args:
        name: Name of the experiment.
        experiment: The experiment.
        clips: Clips table of its corpus.
        store: States of the corpus' features.
        unusable: Feature -> reason why it cannot be computed here.
    """
    try:
        split = PROTOCOLS.load(experiment.protocol).split(clips)
    except AffectstoreError as error:
        return ExperimentState(problems=(Problem(f"experiment {name!r}", str(error)),))
    _remove_stale_split(experiment, split)
    folds = experiment.folds or tuple(sorted(set(split["fold"])))
    cells = tuple(plan_cells(name, experiment, folds))
    if problems := tuple(validate_clips(name, experiment, clips, split, cells, unusable)):
        return ExperimentState(problems=problems)
    used_features = {feature for cell in cells for feature in cell.features.values()}
    keys = {feature: store[feature].key_of_clip() for feature in used_features}
    missing: dict[str, str] = {}
    by_key: dict[Any, dict[str, str]] = {}
    by_content: dict[Any, dict[str, str]] = {}
    for cell in cells:
        unlabelled = cell.unlabelled
        seen = (tuple(sorted(cell.features.items())), cell.fold, unlabelled)
        if seen not in by_key:
            by_key[seen] = data_digests(experiment, clips, split, cell.fold, cell.features, keys, unlabelled)
        reason = _difference(cell, experiment.seeds, by_key[seen])
        if reason == _FEATURES and not any(store[feature].missing for feature in cell.features.values()):
            if seen not in by_content:
                contents = {feature: store[feature].content_of_clip() for feature in cell.features.values()}
                by_content[seen] = data_digests(
                    experiment, clips, split, cell.fold, cell.features, contents, unlabelled
                )
            reason = _difference(cell, experiment.seeds, by_key[seen], by_content[seen])
        if reason is not None:
            cell.marker.unlink(missing_ok=True)
            missing[str(cell.marker)] = reason
    missing |= _superseded(cells, experiment.seeds, missing)
    pending = bool(missing) or scored_runs_digest(name) != runs_digest(experiment, cells)
    write_request(RESULTS.score_request(name), {"experiment": name}, pending)
    return ExperimentState(cells, missing, pending)


def _remove_stale_split(experiment: Experiment, split: pd.DataFrame) -> None:
    """Remove a split of other clips; it is made again in a second."""
    own = RESULTS.split(experiment.corpus, experiment.protocol)
    for path in (own, RESULTS.published_split(experiment.corpus, experiment.protocol)):
        try:
            digest_found = json.loads(path.with_suffix(".json").read_text())["digest"]
        except (OSError, ValueError, KeyError):
            digest_found = None
        if not path.exists() or digest_found != split_digest(split):
            own.unlink(missing_ok=True)


def _difference(
    cell: CellPlan, seeds: int, by_key: Mapping[str, str], by_content: Mapping[str, str] | None = None
) -> str | None:
    """Reason why the marker of a cell is out of date, or None.

    Equal keys of the clips show that nothing changed; where keys changed, equal contents show that it made no
    difference (a file was rewritten with the same frames): nothing is trained again for that.
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
    return None


def _superseded(cells: Iterable[CellPlan], seeds: int, missing: Mapping[str, str]) -> dict[str, str]:
    """Remove markers that are out of date because a parent cell changed: marker -> reason."""
    found: dict[str, str] = {}

    def remove(path: Path, reason: str | None) -> bool:
        if reason is None or str(path) in missing or str(path) in found:
            return False
        path.unlink(missing_ok=True)
        found[str(path)] = reason
        return True

    children = [cell for cell in cells if cell.parents]
    for cell in children:
        for parent in cell.parents:
            path = cell.marker_of(parent)
            known = str(path) in missing or set(_weights(path, "weights")) >= set(map(str, range(seeds)))
            remove(path, None if known else "digests of its weights not noted")
    while sum(remove(cell.marker, _changed_parent(cell, seeds, {**missing, **found})) for cell in children):
        pass  # once more for every link of the longest chain
    return found


def _changed_parent(cell: CellPlan, seeds: int, missing: Mapping[str, str]) -> str | None:
    """Reason why the runs that a cell started or learned from are no longer those, or None."""
    if str(cell.marker) in missing:
        return None
    for parent in cell.parents:
        path = cell.marker_of(parent)
        if str(path) in missing:
            return f"{parent} has to be trained"
        now, then = _weights(path, "weights"), _weights(cell.marker, "parents").get(parent, {})
        if any(now.get(seed) != then.get(seed) for seed in map(str, range(seeds))):
            return f"the weights of {parent} changed"
    return None


def _weights(marker: Path, key: str) -> dict[str, Any]:
    """Digests of weights that a marker records under "weights" or "parents"; empty where it has none."""
    try:
        return dict(json.loads(marker.read_text())[key])
    except (OSError, ValueError, KeyError):
        return {}


def current_runs_digest(name: str, experiment: Experiment, folds: tuple[int, ...]) -> str:
    """Digest of an experiment's runs as they are now.

    Raises:
        StoreError: A cell is not trained on one of the folds.
    """
    try:
        return runs_digest(experiment, plan_cells(name, experiment, folds))
    except FileNotFoundError as error:
        raise StoreError(f"{error.filename} is missing: train the cells of {name} first") from None


def runs_digest(experiment: Experiment, cells: Iterable[CellPlan]) -> str:
    """Digest of all that the metrics of an experiment follow from: its runs, and the number of seeds."""
    runs = {str(cell.marker): json.loads(cell.marker.read_text()) for cell in cells}
    return digest({"scoring": SCORING_VERSION, "seeds": experiment.seeds, "title": experiment.title, "runs": runs})


def scored_runs_digest(name: str) -> str | None:
    """Digest of the runs that the metrics on disk were computed from; None where it is not known."""
    try:
        return json.loads(RESULTS.scored_runs(name).read_text(encoding="utf-8"))["runs"]
    except (OSError, ValueError, KeyError):
        return None
