"""One run of a baseline: a cell, a fold and a seed, fitted, chosen on validation, scored once, written whole."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.models.baselines.base import BASELINES, Fit
from affectstore.models.classical.recipe import BaselineRecipe
from affectstore.models.classical.saved import FittedBaseline, save_baseline
from affectstore.models.classical.vectors import ClipVectors, ColumnScale, examples, load_vectors
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
    from threadpoolctl import threadpool_limits

    start = time.perf_counter()
    begin_run(folder)
    # On one thread the sums are the same on every machine.
    with threadpool_limits(limits=1):
        fit = _fit(data, seed)
        train_s = time.perf_counter() - start
        fitted = FittedBaseline(data.recipe, data.scales, fit.state)
        predictions, infer_s = _predictions(data, fitted, seed)
    save_baseline(folder, fitted)
    write_history(folder, fit.history)
    write_predictions(folder, predictions)
    facts = _facts(data, seed, digests, fit)
    facts |= {
        "train_s": train_s,
        "infer_ms_per_clip": 1000 * infer_s / len(data.sides["test"]),
        "peak_mem_mb": peak_memory_mb(),
        "wall_s": time.perf_counter() - start,
    }
    finish_run(folder, facts)
    return facts


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
        "device_name": platform.processor(),
        "threads": 1,
        "chosen_by": fit.chosen_by,
        "tried": [dict(row) for row in fit.tried],
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history) or None,
        "parameters": fit.parameters,
    }
