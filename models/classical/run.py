"""One run of a baseline: a cell, a fold and a seed, fitted, chosen on validation, scored once, written whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectstore.models.baselines.base import BASELINES, Fit, uar
from affectstore.models.classical.recipe import BaselineRecipe
from affectstore.models.classical.saved import FittedBaseline, load_baseline, save_baseline
from affectstore.models.classical.vectors import ClipVectors, ColumnScale, examples, load_vectors
from affectstore.models.engine.machine import cpu_name
from affectstore.models.engine.written import (
    FoldFacts,
    begin_run,
    common_facts,
    finish_run,
    peak_memory_mb,
    prediction_rows,
    write_history,
    write_predictions,
)

_PACKAGES = ("affectstore", "scikit-learn", "scipy", "numpy")


@dataclass(frozen=True)
class FoldVectors:
    """What all seeds of a cell and fold share.

    Attributes:
        facts: the cell, the fold, and what became of its clips.
        recipe: which baseline, on which features.
        sides: side -> its clips; without "val" where the protocol has no validation side.
        scales: modality -> how its columns are standardised, from the training side.
    """

    facts: FoldFacts
    recipe: BaselineRecipe
    sides: Mapping[str, ClipVectors]
    scales: Mapping[str, ColumnScale]


def fold_vectors(
    store: Any, recipe: BaselineRecipe, sides: Mapping[str, pd.DataFrame], facts: FoldFacts
) -> FoldVectors:
    """Read all sides, and standardise by the training side.

    Args:
        store: an open store.
        recipe: which baseline, on which features.
        sides: side -> columns clip_id, speaker and label; an empty side is left out.
        facts: the cell, the fold, and what became of its clips.
    """
    read = {side: load_vectors(store, recipe, table) for side, table in sides.items() if len(table)}
    scales = {modality: ColumnScale.of(read["train"].parts[modality]) for modality in recipe.modalities}
    return FoldVectors(facts, recipe, read, scales)


def fit_seed(data: FoldVectors, seed: int, folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Fit one seed and write its folder; run.json comes last and says that the run is whole.

    Returns:
        What run.json holds.
    """
    start = time.perf_counter()
    begin_run(folder)
    fitted, facts = _train(data, seed, folder, digests)
    facts |= _test(data, fitted, seed, folder)
    facts |= {"peak_mem_mb": peak_memory_mb(), "wall_s": time.perf_counter() - start}
    finish_run(folder, facts)
    return facts


def fit_trial(data: FoldVectors, seed: int, folder: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """Fit one seed as `fit_seed` does, and stop short of predictions: a combination of a grid.

    Returns:
        What run.json holds: the facts of a run, and under "validation" what it is worth there.
    """
    start = time.perf_counter()
    begin_run(folder)
    fitted, facts = _train(data, seed, folder, digests)
    with _one_thread():
        facts |= {"validation": _worth(data.sides["val"].y, fitted.probabilities(data.sides["val"]))}
    facts |= {"peak_mem_mb": peak_memory_mb(), "wall_s": time.perf_counter() - start}
    finish_run(folder, facts)
    return facts


def predict_fitted(data: FoldVectors, seed: int, folder: Path) -> dict[str, Any]:
    """Predict with the fitted baseline in a folder, and write the predictions beside it.

    Returns:
        What run.json has to say of that.
    """
    return _test(data, load_baseline(folder), seed, folder)


def _one_thread() -> Any:
    """On one thread the sums are the same on every machine."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def _train(
    data: FoldVectors, seed: int, folder: Path, digests: Mapping[str, str]
) -> tuple[FittedBaseline, dict[str, Any]]:
    """Fit a baseline, save it with its history, and gather its facts."""
    start = time.perf_counter()
    with _one_thread():
        fit = _fit(data, seed)
    fitted = FittedBaseline(data.recipe, data.scales, fit.state)
    train_s = time.perf_counter() - start
    per_clip = 1000 * train_s / len(data.sides["train"])  # fitted once, whatever rounds that takes
    facts = _facts(data, seed, digests, fit) | {"train_s": train_s, "train_ms_per_clip": per_clip}
    save_baseline(folder, fitted, digests)
    write_history(folder, fit.history)
    return fitted, facts


def _test(data: FoldVectors, fitted: FittedBaseline, seed: int, folder: Path) -> dict[str, Any]:
    with _one_thread():
        predictions, infer_s = _predictions(data, fitted, seed)
    write_predictions(folder, predictions)
    return {"infer_ms_per_clip": 1000 * infer_s / len(data.sides["test"])}


def _worth(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Mean cross-entropy in nats (what is impossible counts as the least positive number), UAR and accuracy.

    Args:
        y: int64 (clip,).
        p: probabilities (clip, class).
    """
    of_truth = np.maximum(p[np.arange(len(y)), y].astype(np.float64), np.finfo(np.float64).tiny)
    accuracy = float((p.argmax(axis=1) == y).mean())
    return {"loss": float(-np.log(of_truth).mean()), "uar": uar(y, p), "accuracy": accuracy}


def _fit(data: FoldVectors, seed: int) -> Fit:
    module = BASELINES.load(data.recipe.baseline.name)
    options = module.Options(**data.recipe.baseline.options)
    train = examples(data.sides["train"], data.scales)
    val = examples(data.sides["val"], data.scales) if "val" in data.sides else None
    return module.fit(train, val, len(data.recipe.classes), seed, options)


def _predictions(data: FoldVectors, fitted: FittedBaseline, seed: int) -> tuple[list[pd.DataFrame], float]:
    """Probabilities of the validation and the test side, and the seconds that the test side took.

    Where there are several modalities, the test side comes once more without each of them.
    """
    parts, infer_s = [], 0.0
    for side in ("val", "test"):
        if side not in data.sides:
            continue
        clips, modalities = data.sides[side], data.recipe.modalities
        for without in (None, *(modalities if side == "test" and len(modalities) > 1 else ())):
            start = time.perf_counter()
            p = fitted.probabilities(clips, without)
            if side == "test" and without is None:
                infer_s = time.perf_counter() - start
            condition = "full" if without is None else f"no_{without}"
            parts.append(
                prediction_rows(
                    clips.table,
                    p,
                    data.recipe.classes,
                    fold=data.facts.fold,
                    seed=seed,
                    side=side,
                    condition=condition,
                )
            )
    return parts, infer_s


def _facts(data: FoldVectors, seed: int, digests: Mapping[str, str], fit: Fit) -> dict[str, Any]:
    spec = BASELINES.load(data.recipe.baseline.name).SPEC
    badges = [spec.badge] if spec.badge else []
    if spec.reads and "val" not in data.sides:
        badges.append("no validation side: nothing chosen")
    return common_facts(data.facts, seed, digests, badges, _PACKAGES) | {
        "baseline": data.recipe.baseline.model_dump(mode="json"),
        "takes": "vector",
        "columns": {modality: len(scale.mean) for modality, scale in data.scales.items()},
        "device": "cpu",
        "device_name": cpu_name(),
        "threads": 1,
        "chosen_by": fit.chosen_by,
        "tried": [dict(row) for row in fit.tried],
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history) or None,
        "parameters": fit.parameters,
    }
