"""Judge the runs of an experiment: which cells and folds have to be trained, and whether it must be scored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.corpora.base import CORPORA, labels_of
from affectstore.digest import digest
from affectstore.errors import AffectstoreError, UnknownNameError
from affectstore.evaluation.score import SCORING_VERSION
from affectstore.preflight.cells import CellPlan, data_digests, plan_cells, why_unusable
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
    if problem := _label_problem(name, experiment, clips):
        return ExperimentState((), {}, (), True, problem)
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
    if problem := why_unusable(name, cells) or _nothing_to_choose_on(experiment, cells, split):
        return ExperimentState((), {}, folds, True, problem)
    keys = {feature: store[feature].key_of_clip() for feature in used_features}
    missing: dict[str, str] = {}
    by_key: dict[Any, dict[str, str]] = {}
    by_content: dict[Any, dict[str, str]] = {}
    for cell in cells:
        unlabelled = cell.unlabelled
        seen = (tuple(sorted(cell.features.items())), cell.fold, unlabelled)
        if seen not in by_key:
            by_key[seen] = data_digests(experiment, clips, split, cell.fold, cell.features, keys, unlabelled)
        reason = _disagreement(cell, experiment.seeds, by_key[seen])
        if reason == _FEATURES and not any(store[feature].missing for feature in cell.features.values()):
            if seen not in by_content:
                contents = {feature: store[feature].content_of_clip() for feature in cell.features.values()}
                by_content[seen] = data_digests(
                    experiment, clips, split, cell.fold, cell.features, contents, unlabelled
                )
            reason = _disagreement(cell, experiment.seeds, by_key[seen], by_content[seen])
        if reason:
            cell.marker.unlink(missing_ok=True)
            missing[str(cell.marker)] = reason
    missing |= _following(cells, experiment.seeds, missing)
    pending = bool(missing) or _scored(name) != runs_digest(experiment, cells)
    write_request(PLANS / "experiments" / f"{name}.json", {"experiment": name}, pending)
    return ExperimentState(cells, missing, folds, pending)


def _nothing_to_choose_on(experiment: Experiment, cells: Iterable[CellPlan], split: pd.DataFrame) -> str:
    """Why a grid cannot be chosen from, or ''."""
    validated = set(split.loc[split["subset"] == "val", "fold"])
    for cell in cells:
        if cell.combinations and cell.fold not in validated:
            return (
                f"experiment {cell.experiment!r}, cell {cell.cell.id!r}: `grid` is chosen on the validation subset, "
                f"and protocol {experiment.protocol!r} has none in fold {cell.fold}; take another protocol, or "
                "name the options themselves"
            )
    return ""


def _label_problem(name: str, experiment: Experiment, clips: pd.DataFrame) -> str:
    """Why the clips' labels cannot be what the experiment is about, or ''.

    The labels of a corpus whose card lists none are known since its clips were found.
    """
    if not len(clips):
        return ""
    where = f"workflow/experiments/{name}.yaml"
    targets = [column.removeprefix("label_") for column in map(str, clips) if column.startswith("label_")]
    there = [target for target in targets if clips[f"label_{target}"].notna().any()]
    if experiment.label_target not in there:
        return (
            f"{where}: label_target is {experiment.label_target!r}, and no clip of {experiment.corpus} has such a "
            f"label; label targets that it has: {', '.join(there) or 'none'}"
        )
    if CORPORA.load(clips["corpus"].iloc[0]).CARD.labels:
        return ""
    labels = {*labels_of(clips)}
    merged = labels | {*experiment.merge.values()}
    for key, known, used in (("merge", labels, experiment.merge), ("classes", merged, experiment.classes)):
        for label in used:
            if label not in known:
                return str(UnknownNameError(f"label in `{key}` of {where}", label, known))
    return ""


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


def _following(cells: Iterable[CellPlan], seeds: int, missing: Mapping[str, str]) -> dict[str, str]:
    """Markers that do not hold because of the cells that theirs started or learnt from -> why."""
    found: dict[str, str] = {}

    def judge(path: Path, reason: str) -> bool:
        if not reason or str(path) in missing or str(path) in found:
            return False
        path.unlink(missing_ok=True)
        found[str(path)] = reason
        return True

    following = [cell for cell in cells if cell.parents]
    for cell in following:
        for parent in cell.parents:
            path = cell.marker_of(parent)
            known = str(path) in missing or set(_weights(path, "weights")) >= set(map(str, range(seeds)))
            judge(path, "" if known else "digests of its weights not noted")
    while sum(judge(cell.marker, _outrun(cell, seeds, {**missing, **found})) for cell in following):
        pass  # once more for every link of the longest chain
    return found


def _outrun(cell: CellPlan, seeds: int, missing: Mapping[str, str]) -> str:
    """Why the marker of a cell does not hold, or '': by the runs that it started or learnt from."""
    if str(cell.marker) in missing:
        return ""
    for parent in cell.parents:
        path = cell.marker_of(parent)
        if str(path) in missing:
            return f"{parent} has to be trained"
        now, then = _weights(path, "weights"), _weights(cell.marker, "parents").get(parent, {})
        if any(now.get(seed) != then.get(seed) for seed in map(str, range(seeds))):
            return f"the weights of {parent} changed"
    return ""


def _weights(marker: Path, what: str) -> dict[str, Any]:
    """What a marker says of weights; nothing where it does not."""
    try:
        return dict(json.loads(marker.read_text())[what])
    except (OSError, ValueError, KeyError):
        return {}


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
