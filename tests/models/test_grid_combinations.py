"""Combinations of a cell's `grid`: their order, checks and digests, and the best of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.swept_cells import AUDIO, BASELINE, BOTH, RATES, swept

from affectstore.config.experiment import Experiment
from affectstore.config.messages import validated
from affectstore.errors import ConfigError
from affectstore.models.cells.combinations import combinations
from affectstore.models.cells.parents import parents_problem
from affectstore.models.cells.validate import cell_problem
from affectstore.models.spec import TrainingError
from affectstore.models.sweep import select_best
from affectstore.preflight.cells import plan_cells


def test_layers_and_order(fake: Any) -> None:
    experiment = fake.experiment(
        swept({"train.batch_size": [4], "encoder_options.x": ["b", "a"]}),
        grid={"train.epochs": [7, 2], "train.learning_rate": [1], "fusion_options.y": [3]},
        encoder_settings={"simple3d": {"grid": {"train.learning_rate": [0.3, 0.1], "train.batch_size": [9, 8]}}},
    )
    cell = experiment.cells[0]
    assert experiment.grid_of(cell) == {
        "encoder_options.x": ("b", "a"),
        "train.batch_size": (4,),
        "train.epochs": (7, 2),
        "train.learning_rate": (0.3, 0.1),
    }
    found = combinations(experiment, cell)
    assert [tuple(one.options.values()) for one in found] == [
        ("b", 4, 7, 0.3),
        ("b", 4, 7, 0.1),
        ("b", 4, 2, 0.3),
        ("b", 4, 2, 0.1),
        ("a", 4, 7, 0.3),
        ("a", 4, 7, 0.1),
        ("a", 4, 2, 0.3),
        ("a", 4, 2, 0.1),
    ]
    made = found[3].cell
    assert (made.id, made.grid, experiment.encoder_options_of(made)) == (cell.id, {}, {"x": "b"})
    settings = experiment.training_of(made)
    assert (settings.batch_size, settings.epochs, settings.learning_rate) == (4, 2, 0.1)
    again = Experiment(**json.loads(json.dumps(experiment.model_dump(mode="json"), sort_keys=True)))  # as jobs read it
    assert [one.options for one in combinations(again, again.cells[0])] == [one.options for one in found]


def test_a_value_changes_its_own_setting_alone(fake: Any) -> None:
    cell = swept({"train.schedule.every": [2], "train.augment.flip": [0.5]})
    layers = {"train": {"schedule": {"kind": "step", "factor": 0.3}, "weight_decay": 0.1}}
    experiment = fake.experiment(cell, **layers)
    (one,) = combinations(experiment, experiment.cells[0])
    settings, before = experiment.training_of(one.cell), experiment.training_of(experiment.cells[0])
    assert (settings.schedule.every, settings.augment.flip) == (2, 0.5)
    assert settings.model_copy(update={"schedule": before.schedule, "augment": before.augment}) == before
    assert settings.schedule.model_copy(update={"every": 10}) == before.schedule

    per_modality = {"modalities": ["audio", "vision"], "encoder": {"audio": "blstm", "vision": "blstm"}}
    cell = per_modality | {"fusion": "concat", "encoder_options": {"audio": {"layers": 1, "hidden_dim": 3}}}
    experiment = fake.experiment(swept({"encoder_options.audio.hidden_dim": [4]}, cell))
    (one,) = combinations(experiment, experiment.cells[0])
    assert one.cell.encoder_options == {"audio": {"layers": 1, "hidden_dim": 4}}


def test_keys_reach_the_cells_that_have_such_options(fake: Any) -> None:
    grid = {"train.epochs": [1, 2], "baseline_options.pool": ["mean", "mean_std"], "fusion_options.z": [1, 2]}
    asked = Experiment(title="t", corpus="synthetic", cells=(AUDIO, BASELINE, BOTH), grid=grid)
    assert [list(asked.grid_of(cell)) for cell in asked.cells] == [
        ["train.epochs"],
        ["baseline_options.pool"],
        ["fusion_options.z", "train.epochs"],
    ]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"train.learning_rat": [1]}, r"train has no setting 'learning_rat'; known: augment, .*learning_rate"),
        ({"train.schedule.kin": [1]}, r"train\.schedule has no setting 'kin'; known: every, .*kind"),
        ({"train.schedule": [{"kind": "cosine"}]}, r"holds several settings; sweep one of them: kind, factor"),
        ({"train.monitor": ["uar", "loss"]}, r"cannot be swept: it is what combinations are compared by"),
        ({"train.precision": ["32-true"]}, r"cannot be swept: the device is set up once"),
        ({"train.unlabelled": [True]}, r"cannot be swept: it decides which clips are read"),
        ({"training.epochs": [1]}, r"'training\.epochs' is no path of an option; it begins with train\., encoder_opt"),
        ({"train": [1]}, r"'train' is no path"),
        ({"encoder_options..x": [1]}, r"is no path"),
        ({"train.epochs": [3, 4, 3]}, r"the same value twice: \[3, 4, 3\]"),
        ({"train.epochs": []}, r"at least 1 item"),
        ({"fusion_options.x": [1]}, r"`grid` names 'fusion_options\.x'; what this cell has: train, encoder_options"),
    ],
)
def test_keys_without_effect_are_refused(grid: dict[str, list[Any]], message: str) -> None:
    experiment = {"title": "t", "corpus": "synthetic", "cells": [swept(grid)]}
    with pytest.raises(ConfigError, match=message):
        validated(Experiment, experiment, "x.yaml")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (swept({"train.learning_rate": [0.1, -1]}), r"`train` with train\.learning_rate -1 of the grid:\n.*-1 is not"),
        (
            swept({"train.epochs": [5, 2], "train.schedule.warmup_epochs": [3]}),
            r"3 of 2 epochs.*with train\.epochs 2, train",
        ),
        (swept({"encoder_options.depth": [1, 2]}), r"(?s)depth: unknown key.*\(with encoder_options\.depth 1 of the"),
        (
            swept(
                {"train.tricks.modality_dropout.rate.audio": [0.1]},
                BOTH | {"train": {"tricks": {"modality_dropout": {"rate": 0.0}}}},
            ),
            r"train\.tricks\.modality_dropout\.rate is 0\.0 here, which has no",
        ),
        (
            swept({"train.learning_rate": ["0.1", 0.10]}),
            r"learning_rate 0\.1 and train\.learning_rate 0\.1 have the same effect",
        ),
        (
            swept({"train.tricks": [{"mixup": {}}, {"mixup": {"alpha": 0.2}}]}),
            r"train\.tricks .* and train\.tricks .* have the same effect",
        ),
        (swept({"train.epochs": [*range(1, 1002)]}), r"1,001 combinations \(train\.epochs\); at most 1,000"),
        (swept({"baseline_options.costs": [[0.1], [-1]]}, BASELINE), r"(?s)costs.*with baseline_options\.costs \[-1\]"),
    ],
)
def test_every_combination_is_checked(fake: Any, cell: dict[str, Any], message: str) -> None:
    experiment = fake.experiment(
        cell, inputs={"audio": {"clip": "mel_chunks", "sequence": "lld"}, "vision": {"clip": "frames"}}
    )
    assert re.search(message, str(cell_problem(experiment, experiment.cells[0])))


def test_a_grid_that_sweeps_nothing_is_refused(fake: Any) -> None:
    experiment = fake.experiment(AUDIO, grid={"fusion_options.x": [1, 2]})
    reason = cell_problem(experiment, experiment.cells[0])
    assert reason == "`grid` names 'fusion_options.x', and no cell has fusion_options"
    settings = {"simple3d": {"grid": {"baseline_options.pool": ["mean"]}}}
    experiment = fake.experiment(AUDIO, encoder_settings=settings)
    assert "`encoder_settings.simple3d.grid` names" in str(cell_problem(experiment, experiment.cells[0]))


def test_tricks_of_students_are_checked_for_every_combination() -> None:
    student = BOTH | {"fusion": "distilled_probe", "teachers": {"audio": "simple3d-audio"}}
    cells = [AUDIO, swept({"train.tricks": [{}, {"mixup": {"alpha": 0.5}}]}, student)]
    experiment = Experiment(title="t", corpus="synthetic", cells=cells)
    reason = str(cell_problem(experiment, experiment.cells[1]))
    assert "tricks `distillation` and `mixup` cannot be combined" in reason
    assert "(with train.tricks {'mixup': {'alpha': 0.5}} of the grid)" in reason
    assert parents_problem(experiment, experiment.cells[1]) is None
    experiment = Experiment(title="t", corpus="synthetic", cells=[AUDIO, swept({"train.tricks": [{}]}, student)])
    assert cell_problem(experiment, experiment.cells[1]) is None


def test_only_grids_change_digests(fake: Any) -> None:
    def config(cell: dict[str, Any], **changes: Any) -> str:
        return plan_cells("test", fake.experiment(cell, **changes), (0,))[0].config

    plain = config(AUDIO)
    assert (
        plain == config(swept({})) == config(AUDIO, grid={}) == config(AUDIO, grid={"baseline_options.pool": ["mean"]})
    )
    first = fake.experiment(swept(RATES))
    (plan,) = plan_cells("test", first, (0,))
    departing = [config(AUDIO | {"train": {"learning_rate": rate}}) for rate in (1e-5, 1e-2)]
    assert list(plan.combinations) == departing  # those of plain cells with these options
    assert plan.config not in (plain, *departing)
    assert plan.config != config(swept({"train.learning_rate": [1e-5]}))
    assert config(AUDIO, grid=RATES) == plan.config


def test_a_child_of_a_cell_with_a_grid_depends_on_all_of_it() -> None:
    def config(grid: dict[str, list[Any]]) -> str:
        student = BOTH | {"init_from": {"audio": "simple3d-audio"}}
        experiment = Experiment(title="t", corpus="synthetic", cells=[swept(grid), student])
        return plan_cells("test", experiment, (0,))[1].config

    assert len({config({}), config(RATES), config({"train.epochs": [3]})}) == 3


def test_the_example_of_the_docs_is_valid() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text()
    (example,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "grid:" in block]
    experiment = Experiment(title="t", corpus="synthetic", **yaml.safe_load(example))
    assert [cell_problem(experiment, cell) for cell in experiment.cells] == [None, None, None]
    assert [len(combinations(experiment, cell)) for cell in experiment.cells] == [4, 8, 2]


def test_numbers_that_yaml_reads_as_text_are_numbers(fake: Any) -> None:
    experiment = fake.experiment(swept({"train.learning_rate": ["1e-3"]}))
    (one,) = combinations(experiment, experiment.cells[0])
    assert one.options == {"train.learning_rate": 0.001}


def scores(loss: float, uar: float = 0.5, accuracy: float = 0.5) -> dict[str, float]:
    return {"loss": loss, "uar": uar, "accuracy": accuracy}


def test_the_best_mean_over_seeds_is_chosen() -> None:
    lucky = [scores(0.1, 0.9, 0.2), scores(2.0, 0.2, 0.2)]  # best single seed, worse on average
    steady = [scores(1.0, 0.6, 0.5), scores(1.0, 0.6, 0.3)]
    assert select_best([lucky, steady], "loss") == (1, 1.0)
    assert select_best([lucky, steady], "uar") == (1, 0.6)
    assert select_best([lucky, [scores(0.9, 0.6), scores(0.9, 0.6)], steady], "uar") == (
        1,
        0.6,
    )  # equal UAR: lower loss
    assert select_best([steady, steady], "accuracy")[0] == 0  # equal in all: the first
    assert select_best([None, lucky], "uar")[0] == 1
    with pytest.raises(TrainingError, match="none of the combinations"):
        select_best([None, None], "uar")


@given(
    st.lists(st.lists(st.builds(scores, *[st.integers(0, 4).map(float)] * 3), min_size=2, max_size=2), min_size=1),
    st.sampled_from(["loss", "uar", "accuracy"]),
)
def test_no_combination_is_better_than_the_chosen(seeds: list[list[dict[str, float]]], monitor: str) -> None:
    k, score = select_best(seeds, monitor)
    means = [sum(one[monitor] for one in each) / 2 for each in seeds]
    assert score == (min if monitor == "loss" else max)(means) == means[k]
    losses = [sum(one["loss"] for one in each) / 2 for each, mean in zip(seeds, means, strict=True) if mean == score]
    assert sum(one["loss"] for one in seeds[k]) / 2 == min(losses)
