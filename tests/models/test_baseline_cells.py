"""Cells with a baseline: their checks, features and digests; and one on the real clips."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.baseline_examples import CLASSES, asked, fitted, predicted, uar

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.messages import validated
from affectstore.errors import ConfigError
from affectstore.models.baseline_fit.vectors import ColumnScale
from affectstore.models.baseline_spec import Examples
from affectstore.models.baselines import majority
from affectstore.models.cells.inputs import input_features
from affectstore.models.cells.recipe import baseline_recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.preflight.cells import plan_cells


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"modalities": ["audio"]}, "either an `encoder` or a `baseline`"),
        ({"modalities": ["audio"], "encoder": "resnet18", "baseline": "majority"}, "either an `encoder` or a `base"),
        ({"modalities": ["audio", "vision"], "baseline": "majority", "fusion": "concat"}, "`fusion` means nothing"),
        ({"modalities": ["audio"], "baseline": "majority", "train": {"epochs": 3}}, "`train` means nothing"),
        ({"modalities": ["audio"], "encoder": "resnet18", "baseline_options": {"a": 1}}, "without a baseline"),
        ({"modalities": ["audio"], "baseline": "majority", "inputs": {"vision": "mfcc"}}, "`inputs` names vision"),
    ],
)
def test_a_contradictory_cell_is_refused(cell: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        validated(Experiment, {"title": "t", "corpus": "c", "cells": [cell]}, "x.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ({"baseline": "linear_smv"}, ["unknown baseline 'linear_smv'", "Did you mean 'linear_svm'?"]),
        ({"baseline": "linear_svm", "baseline_options": {"costs": [0.0]}}, ["options of baseline", "costs.0"]),
        ({"baseline": "majority", "baseline_options": {"pool": "mean"}}, ["pool: unknown key"]),
        ({"baseline": "majority", "modalities": ["text"]}, ["baseline 'majority' reads 'sequence' inputs of text"]),
    ],
)
def test_an_invalid_baseline_is_refused_with_its_reason(cell: dict[str, Any], words: list[str]) -> None:
    experiment = asked({"modalities": ["audio"], **cell})
    reason = cell_problem(experiment, experiment.cells[0])
    assert reason is not None
    assert [word for word in words if word not in reason] == []


def test_a_cell_may_read_another_feature_and_its_digest_follows_its_options() -> None:
    base = {"modalities": ["audio"], "baseline": "linear_svm"}
    cells = (
        base,
        {**base, "name": "same"},
        {**base, "name": "other", "baseline_options": {"pool": "mean"}},
        {**base, "name": "default", "baseline_options": {"pool": "mean_std"}},
        {**base, "name": "egemaps", "inputs": {"audio": "egemaps"}},
    )
    experiment = asked(base, cells=cells)
    assert [cell_problem(experiment, cell) for cell in experiment.cells] == [None] * 5
    assert input_features(experiment, experiment.cells[0]) == {"audio": "functionals"}
    assert input_features(experiment, experiment.cells[4]) == {"audio": "egemaps"}
    plans = plan_cells("x", experiment, (0,))
    first, same, other, default, egemaps = (plan.config for plan in plans)
    assert first == same == default == egemaps != other
    assert plans[4].features == {"audio": "egemaps"}  # their contents have a digest of their own
    again = Experiment(**experiment.model_dump(mode="json"))
    assert [plan.config for plan in plan_cells("x", again, (0,))] == [plan.config for plan in plans]
    assert experiment.cells[0].id == "linear_svm-audio"
    recipe = baseline_recipe_for(experiment, experiment.cells[4], CLASSES)
    assert (recipe.inputs, recipe.pool) == ({"audio": "egemaps"}, "mean_std")


def test_a_new_version_fits_again(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = asked({"modalities": ["audio"], "baseline": "majority"})
    before = plan_cells("x", experiment, (0,))[0].config
    monkeypatch.setattr(majority, "SPEC", replace(majority.SPEC, version=2))
    assert plan_cells("x", experiment, (0,))[0].config != before


def test_networks_may_read_another_feature_too() -> None:
    cell = {"modalities": ["audio"], "encoder": "resnet18", "inputs": {"audio": "mel_chunks"}}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,))
    assert input_features(experiment, Cell(**cell)) == {"audio": "mel_chunks"}


FLV = sorted((Path(os.environ.get("AFFECTSTORE_DATA", "/nowhere")) / "crema-d" / "VideoFlash").glob("*_IEO_*_HI.flv"))


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.skipif(len(FLV) < 273, reason="AFFECTSTORE_DATA names no folder with the 273 clips of crema-d")
def test_a_linear_machine_on_functionals_separates_three_emotions_of_unknown_speakers() -> None:
    """Published for these clips: .872 UAR on five speaker-disjoint folds."""
    from support.extraction import both, chain, run

    from affectstore.splits import speaker_independent

    chosen = [path for path in FLV if path.stem.split("_")[2] in CLASSES]
    functionals = chain("functionals")
    x = np.concatenate([run(functionals, both(path)).arrays["values"] for path in chosen])
    table = pd.DataFrame({"speaker": [path.stem.split("_")[0] for path in chosen]})
    y = np.array([CLASSES.index(path.stem.split("_")[2]) for path in chosen])
    groups = table["speaker"].map(speaker_independent.groups_of(table["speaker"])).to_numpy()
    p = np.zeros((len(chosen), 3))
    for fold in range(speaker_independent.FOLDS):
        test, val = groups == fold, groups == (fold + 1) % speaker_independent.FOLDS
        train = ~test & ~val
        scale = ColumnScale.of(x[train])
        subsets = [Examples(tuple(f"{k}" for k in np.flatnonzero(s)), scale(x[s]), y[s]) for s in (train, val, test)]
        p[test] = predicted("linear_svm", fitted("linear_svm", subsets[0], subsets[1]).state, subsets[2])
    assert len(chosen) == 273
    assert uar(y, p) == pytest.approx(0.872, abs=0.01)
