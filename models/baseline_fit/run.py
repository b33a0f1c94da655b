"""One run of a baseline: fitted with one seed, chosen on validation, predicted once, and written."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectstore.classification import accuracy, class_recalls
from affectstore.config.experiment import Cell, Experiment
from affectstore.models.baseline_fit.saved import FittedBaseline, load_baseline, save_baseline
from affectstore.models.baseline_fit.vectors import ClipVectors, ColumnScale, load_vectors, standardise
from affectstore.models.baseline_spec import BASELINES, Fit, Pool
from affectstore.models.cells.recipe import BaselineRecipe, baseline_recipe_for
from affectstore.models.run_files import (
    FoldFacts,
    begin_run,
    common_facts,
    cpu_name,
    finish_run,
    peak_memory_mb,
    prediction_rows,
    write_history,
    write_predictions,
)
from affectstore.models.seed_runner import SeedRunner

_PACKAGES = ("affectstore", "scikit-learn", "scipy", "numpy")


@dataclass(frozen=True)
class FoldVectors:
    """Data that all seeds of a cell and fold share.

    Attributes:
        facts: The cell, the fold, and the numbers of its clips.
        recipe: The baseline and its features.
        subsets: Subset -> its clips; without "val" where the protocol has no validation subset.
        scales: Modality -> standardisation of its columns, from the training subset.
    """

    facts: FoldFacts
    recipe: BaselineRecipe
    subsets: Mapping[str, ClipVectors]
    scales: Mapping[str, ColumnScale]


class BaselineRunner(SeedRunner):
    """Runs of a baseline; combinations that pool features alike share the vectors.

    Args:
        experiment: The experiment.
        store: An open store.
        tables: Subset -> columns clip_id, speaker and label; an empty subset is left out.
        facts: The cell, the fold, and the numbers of its clips.
        classes: Class labels, in the order of the tables.
    """

    def __init__(
        self,
        experiment: Experiment,
        store: Any,
        tables: Mapping[str, pd.DataFrame],
        facts: FoldFacts,
        classes: tuple[str, ...],
    ) -> None:
        self.experiment, self.store, self.facts, self.classes = experiment, store, facts, classes
        self.tables = {subset: table for subset, table in tables.items() if len(table)}
        self._pooled: dict[Pool | None, FoldVectors] = {}

    def run(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str]) -> Mapping[str, Any]:
        """Fit one seed, predict the validation and the test subset, and write its folder."""
        return self._run(cell, seed, folder, digests, trial=False)

    def trial(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str]) -> Mapping[str, Any]:
        """Fit one seed without predictions, as a combination of a grid."""
        return self._run(cell, seed, folder, digests, trial=True)

    def predict(self, cell: Cell, seed: int, folder: Path) -> Mapping[str, Any]:
        """Predict with the fitted baseline in a folder, and write the predictions beside it."""
        return _predict(self._data_of(cell), load_baseline(folder), seed, folder)

    def log_line(self, facts: Mapping[str, Any]) -> str:
        """Description of the choice made on validation."""
        return str(facts["chosen_by"])

    def _data_of(self, cell: Cell) -> FoldVectors:
        recipe = baseline_recipe_for(self.experiment, cell, self.classes)
        if recipe.pool not in self._pooled:
            read = {subset: load_vectors(self.store, recipe, table) for subset, table in self.tables.items()}
            scales = {modality: ColumnScale.of(read["train"].parts[modality]) for modality in recipe.modalities}
            self._pooled[recipe.pool] = FoldVectors(self.facts, recipe, read, scales)
        return replace(self._pooled[recipe.pool], recipe=recipe)

    def _run(self, cell: Cell, seed: int, folder: Path, digests: Mapping[str, str], *, trial: bool) -> dict[str, Any]:
        """Fit, predict or score, and write run.json last."""
        start, data = time.perf_counter(), self._data_of(cell)
        begin_run(folder)
        fitted, facts = _fit(data, seed, folder, digests)
        facts |= _validation_scores(data, fitted) if trial else _predict(data, fitted, seed, folder)
        facts |= {"peak_mem_mb": peak_memory_mb(), "wall_s": time.perf_counter() - start}
        finish_run(folder, facts)
        return facts


def _one_thread() -> Any:
    """Limit BLAS to one thread: then sums are the same on every machine."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def _fit(
    data: FoldVectors, seed: int, folder: Path, digests: Mapping[str, str]
) -> tuple[FittedBaseline, dict[str, Any]]:
    """Fit a baseline, save it with its history, and collect its facts."""
    start, module = time.perf_counter(), BASELINES.load(data.recipe.baseline.name)
    with _one_thread():
        train = standardise(data.subsets["train"], data.scales)
        val = standardise(data.subsets["val"], data.scales) if "val" in data.subsets else None
        options = module.Options(**data.recipe.baseline.options)
        fit = module.fit(train, val, len(data.recipe.classes), seed, options)
    fitted = FittedBaseline(data.recipe, data.scales, fit.state)
    train_s = time.perf_counter() - start
    per_clip = 1000 * train_s / len(data.subsets["train"])  # fitted once, however many iterations that takes
    facts = _facts(data, seed, digests, fit) | {"train_s": train_s, "train_ms_per_clip": per_clip}
    save_baseline(folder, fitted, digests)
    write_history(folder, fit.history)
    return fitted, facts


def _validation_scores(data: FoldVectors, fitted: FittedBaseline) -> dict[str, Any]:
    """Scores on the validation subset: mean cross-entropy in nats, UAR and accuracy.

    An impossible class counts as the smallest positive probability in the cross-entropy.
    """
    with _one_thread():
        y, p = data.subsets["val"].y, fitted.probabilities(data.subsets["val"])
    of_label = np.maximum(p[np.arange(len(y)), y].astype(np.float64), np.finfo(np.float64).tiny)
    predicted = p.argmax(axis=1)
    uar = float(np.mean(class_recalls(y, predicted)))
    return {"validation": {"loss": float(-np.log(of_label).mean()), "uar": uar, "accuracy": accuracy(y, predicted)}}


def _predict(data: FoldVectors, fitted: FittedBaseline, seed: int, folder: Path) -> dict[str, Any]:
    """Predict the validation and the test subset; with several modalities the test subset once more without each."""
    parts, infer_s, modalities = [], 0.0, data.recipe.modalities
    with _one_thread():
        for subset in (subset for subset in ("val", "test") if subset in data.subsets):
            clips = data.subsets[subset]
            for without in (None, *(modalities if subset == "test" and len(modalities) > 1 else ())):
                start = time.perf_counter()
                p = fitted.probabilities(clips, without)
                if subset == "test" and without is None:
                    infer_s = time.perf_counter() - start
                condition = "full" if without is None else f"no_{without}"
                of = {"fold": data.facts.fold, "seed": seed, "subset": subset, "condition": condition}
                parts.append(prediction_rows(clips.table, p, data.recipe.classes, of))
    write_predictions(folder, parts)
    return {"infer_ms_per_clip": 1000 * infer_s / len(data.subsets["test"])}


def _facts(data: FoldVectors, seed: int, digests: Mapping[str, str], fit: Fit) -> dict[str, Any]:
    spec = BASELINES.load(data.recipe.baseline.name).SPEC
    badges = [spec.badge] if spec.badge else []
    if spec.reads_features and "val" not in data.subsets:
        badges.append("no validation subset: nothing chosen")
    return common_facts(data.facts, seed, digests, badges, _PACKAGES) | {
        "baseline": data.recipe.baseline.model_dump(mode="json"),
        "input_kind": "vector",
        "columns": {modality: len(scale.mean) for modality, scale in data.scales.items()},
        "device": "cpu",
        "device_name": cpu_name(),
        "threads": 1,
        "chosen_by": fit.chosen_by,
        "tried": [dict(row) for row in fit.tried],
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history) or None,
        "parameters": fit.num_parameters,
    }
