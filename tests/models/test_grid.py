"""`grid:` of a cell: its combinations, the choice of one, and that the test subset has no part in it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from support.train_script import train_in_processes
from support.training import facts

from affectstore.config.experiment import Experiment
from affectstore.config.messages import validated
from affectstore.errors import ConfigError
from affectstore.evaluation.flags import flags_of, meaning_of
from affectstore.evaluation.runs import read_runs
from affectstore.models.cells.combinations import combinations
from affectstore.models.cells.parents import parents_problem
from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.batch import BatchMaker
from affectstore.models.spec import TrainingError
from affectstore.models.sweep import select_best
from affectstore.models.training import evaluate, trainer
from affectstore.models.training.trainer import Trainer
from affectstore.preflight.cells import combination_digests, plan_cells
from affectstore.preflight.experiments import _nothing_to_choose_on

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "gmu"}
RATES = {"train.learning_rate": [1e-5, 1e-2]}
BASELINE = {"modalities": ["audio"], "baseline": "linear_svm"}


def swept(grid: dict[str, list[Any]], cell: dict[str, Any] = AUDIO) -> dict[str, Any]:
    return cell | {"grid": grid}


def trials(folder: Path) -> dict[tuple[str, int], float]:
    """(digest, seed) -> time at which it was trained."""
    found = folder.glob("grid/*/*/run.json")
    return {(path.parts[-3], int(path.parts[-2])): path.stat().st_mtime_ns for path in found}


def predicted(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet")


# --- combinations


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


# --- choice


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


# --- runs


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Clips of every subset that is evaluated, in order."""
    seen: list[tuple[str, ...]] = []
    real = evaluate.evaluation_batches

    def spy(maker: BatchMaker, batch_size: int) -> Any:
        seen.append(tuple(maker.clips.table["clip_id"]))
        return real(maker, batch_size)

    monkeypatch.setattr(evaluate, "evaluation_batches", spy)
    return seen


def test_the_chosen_combination_is_the_plain_cell_and_alone_reads_the_test_subset(
    bench: Any, fake: Any, evaluated: list[tuple[str, ...]]
) -> None:
    grid = {**RATES, "fusion_options.hidden_dim": [3, 4], "train.optimizer": ["adam"]}
    experiment = fake.experiment(swept(grid, BOTH), seeds=2)
    folder = bench.train(experiment, "grid").parent
    test = tuple(sorted(bench.split.loc[bench.split["subset"] == "test", "clip_id"]))
    trained = 4 * 2 * 3  # combinations, seeds, epochs
    assert test not in evaluated[:trained]
    assert evaluated.count(test) == 2 * 3  # seeds, conditions: once each, by the chosen one

    table = pd.read_csv(folder / "grid.csv", dtype={"combination": str})
    options = ["fusion_options.hidden_dim", "train.learning_rate", "train.optimizer"]
    assert table.columns.tolist() == [
        "combination",
        *options,
        "seed",
        "best_epoch",
        "epochs",
        "val_loss",
        "val_uar",
        "val_accuracy",
        "train_s",
        "chosen",
        "failed",
    ]
    assert len(table) == 8
    means = table.groupby(options, sort=False)["val_loss"].mean()
    chosen = facts(folder / "0")["grid"]["chosen"]
    assert chosen == dict(zip(options, means.idxmin(), strict=True))
    assert (table[options] == pd.Series(chosen)).all(axis=1).tolist() == table["chosen"].tolist()
    for seed in (0, 1):
        run = facts(folder / str(seed))
        assert run["grid"]["chosen"] == chosen
        assert run["grid"]["score"] == pytest.approx(means.min())
        assert (run["grid"]["tried"], run["grid"]["seeds"], run["grid"]["failed"]) == (4, 2, 0)

    # A plain cell with these options is the same to the bit, in weights, history and predictions.
    train = {"learning_rate": chosen["train.learning_rate"], "optimizer": "adam"}
    plain = BOTH | {"train": train, "fusion_options": {"hidden_dim": chosen["fusion_options.hidden_dim"]}}
    other = bench.train(fake.experiment(plain, seeds=2), "plain").parent
    for seed in ("0", "1"):
        weights, expected = (load_file(one / seed / "model.safetensors") for one in (folder, other))
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], value) for name, value in expected.items())
        assert (folder / seed / "model.json").read_bytes() == (other / seed / "model.json").read_bytes()
        pd.testing.assert_frame_equal(predicted(folder / seed), predicted(other / seed), check_exact=True)
        history = [
            pd.read_csv(one / seed / "history.csv").drop(columns=["seconds", "clips_per_s"]) for one in (folder, other)
        ]
        pd.testing.assert_frame_equal(*history, check_exact=True)
        run, expected_run = facts(folder / seed), facts(other / seed)
        assert run.keys() - {"grid"} == expected_run.keys()
        timed = {"grid", "train_s", "train_ms_per_clip", "wall_s", "infer_ms_per_clip", "peak_mem_mb"}
        assert {k: v for k, v in run.items() if k not in timed} == {
            k: v for k, v in expected_run.items() if k not in timed
        }
    assert sorted(path.name for path in (folder / "0").iterdir()) == sorted(p.name for p in (other / "0").iterdir())
    assert {path.name for path in folder.glob("grid/*/*/*")} == {"run.json", "history.csv"}  # no weights are left


def test_the_cells_monitor_decides(bench: Any, fake: Any) -> None:
    train = {"batch_size": 6, "epochs": 2, "monitor": "uar"}
    run = facts(bench.train(fake.experiment(swept(RATES), train=train)))
    table = pd.read_csv(bench.folder / "out" / "grid.csv")
    best = table.sort_values(["val_uar", "val_loss"], ascending=[False, True]).iloc[0]
    assert run["grid"]["chosen"] == {"train.learning_rate": best["train.learning_rate"]}
    assert (run["grid"]["monitor"], run["grid"]["score"]) == ("uar", pytest.approx(best["val_uar"]))


def test_a_grid_of_one_is_trained_as_it_is(bench: Any, fake: Any) -> None:
    run = facts(bench.train(fake.experiment(swept({"train.epochs": [2]}))))
    assert (run["epochs"], run["grid"]["tried"]) == (2, 1)


def test_more_values_and_seeds_train_new_trials_alone(
    bench: Any, fake: Any, evaluated: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    def train(rates: list[float], seeds: int = 1) -> tuple[set[tuple[str, int]], Path]:
        """Trials that this job trained."""
        before = trials(bench.folder / "out")
        experiment = fake.experiment(swept({"train.learning_rate": rates}), seeds=seeds)
        (plan,) = plan_cells("test", experiment, (0,))
        folder = bench.train(experiment, digests={"config": plan.config, "split": "s"}).parent
        after = trials(folder)
        return {trial for trial, when in after.items() if before.get(trial) != when}, folder

    rates = (1e-5, 1e-2, 1e-6)
    every = fake.experiment(swept({"train.learning_rate": list(rates)}))
    names = dict(zip(rates, (one[:12] for one in combination_digests(every, every.cells[0])), strict=True))
    made, folder = train([1e-5, 1e-2])
    assert made == {(names[1e-5], 0), (names[1e-2], 0)}
    run = folder / "0"
    assert facts(run)["grid"]["chosen"] == {"train.learning_rate": 1e-2}
    stamps = [(run / name).stat().st_mtime_ns for name in ("model.safetensors", "predictions.parquet")]
    evaluated.clear()

    assert train([1e-6, 1e-5, 1e-2])[0] == {(names[1e-6], 0)}  # wherever it is put
    assert stamps == [(run / name).stat().st_mtime_ns for name in ("model.safetensors", "predictions.parquet")]
    assert facts(run)["grid"]["tried"] == 3  # the run stays, and records the new grid
    assert facts(run)["digests"]["config"] == plan_config(fake, [1e-6, 1e-5, 1e-2])
    assert len(evaluated) == 3  # its validation, an epoch each
    capsys.readouterr()

    assert train([1e-6, 1e-5, 1e-2])[0] == set()
    assert "3 of 3 trials of the grid reused" in capsys.readouterr().out
    assert train([1e-5, 1e-2], seeds=2)[0] == {(names[1e-5], 1), (names[1e-2], 1)}
    assert stamps == [(run / name).stat().st_mtime_ns for name in ("model.safetensors", "predictions.parquet")]
    assert [facts(folder / seed)["grid"]["seeds"] for seed in "01"] == [2, 2]

    weights = load_file(run / "model.safetensors")
    assert train([1e-5], seeds=2)[0] == {(names[1e-5], 0), (names[1e-5], 1)}  # another choice: its weights are gone
    assert facts(run)["grid"]["chosen"] == {"train.learning_rate": 1e-5}
    assert any(not torch.equal(weights[k], v) for k, v in load_file(run / "model.safetensors").items())
    plain = bench.train(fake.experiment(AUDIO | {"train": {"learning_rate": 1e-5}}), "plain")
    assert all(
        torch.equal(load_file(plain / "model.safetensors")[k], v)
        for k, v in load_file(run / "model.safetensors").items()
    )


def plan_config(fake: Any, rates: list[float]) -> str:
    return plan_cells("test", fake.experiment(swept({"train.learning_rate": rates})), (0,))[0].config


def test_other_data_train_all_of_it_again(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(swept(RATES)), digests={"config": "c", "features": "f"}).parent
    before = trials(folder)
    bench.train(fake.experiment(swept(RATES)), digests={"config": "c", "features": "other"})
    assert {trial for trial, when in trials(folder).items() if before[trial] != when} == before.keys()


def test_a_killed_job_resumes_where_it_was(
    bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = fake.experiment(swept(RATES), seeds=2)
    whole = bench.train(experiment, "whole").parent
    steps, real = [0], Trainer.train_step

    def step(*given: Any) -> None:
        steps[0] += 1
        if steps[0] == stop:
            raise KeyboardInterrupt
        real(*given)

    monkeypatch.setattr(Trainer, "train_step", step)
    monkeypatch.setattr(trainer, "CHECKPOINT_INTERVAL_S", 0)
    stop = 6 + 5  # 2 batches, 3 epochs: inside the third epoch of the second trial
    with pytest.raises(KeyboardInterrupt):
        bench.train(experiment, "killed")
    folder = bench.folder / "killed"
    assert len(trials(folder)) == 1
    assert not (folder / "fold.json").exists()
    stop, before = 0, trials(folder)
    capsys.readouterr()
    bench.train(experiment, "killed")
    out = capsys.readouterr().out
    assert "1 of 4 trials of the grid reused" in out
    assert "resuming after epoch 2" in out
    assert before.items() <= trials(folder).items()
    for seed in "01":
        expected = load_file(whole / seed / "model.safetensors")
        assert all(torch.equal(load_file(folder / seed / "model.safetensors")[k], v) for k, v in expected.items())
        pd.testing.assert_frame_equal(predicted(folder / seed), predicted(whole / seed), check_exact=True)

    # Killed while it predicts for the second seed: the first run stays.
    (folder / "1" / "run.json").unlink()
    stamp = (folder / "0" / "run.json").stat().st_mtime_ns
    bench.train(experiment, "killed")
    assert facts(folder / "1")["grid"] == facts(whole / "1")["grid"]
    assert (folder / "0" / "run.json").stat().st_mtime_ns == stamp


def test_a_combination_that_cannot_be_trained_is_not_chosen(
    bench: Any, fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = bench.train(fake.experiment(swept({"train.learning_rate": [1e30, 1e-2]}), seeds=2)).parent
    run = facts(folder / "0")
    assert run["grid"]["chosen"] == {"train.learning_rate": 1e-2}
    assert (run["grid"]["tried"], run["grid"]["failed"]) == (2, 1)
    assert "learning_rate 1e+30: failed: " in capsys.readouterr().out
    table = pd.read_csv(folder / "grid.csv")
    assert table.loc[table["train.learning_rate"] == 1e30, "failed"].str.contains("the loss of a batch is nan").all()
    with pytest.raises(TrainingError, match=r"test/simple3d-audio/0: none of the combinations.*: .*nan"):
        bench.train(fake.experiment(swept({"train.learning_rate": [1e30]})), "none")


def test_without_a_validation_subset_there_is_nothing_to_choose_on(bench: Any, fake: Any) -> None:
    bench.split.loc[bench.split["subset"] == "val", "subset"] = "train"
    experiment = fake.experiment(swept(RATES))
    with pytest.raises(TrainingError, match=r"0: `grid` is chosen on the validation subset, and no clip is left in it"):
        bench.train(experiment)
    assert not list(bench.folder.glob("out/grid/*"))
    plans = plan_cells("test", experiment, (0,))
    assert "protocol 'speaker_independent' has none in fold 0" in _nothing_to_choose_on(experiment, plans, bench.split)
    plain = fake.experiment(AUDIO)
    assert _nothing_to_choose_on(plain, plan_cells("test", plain, (0,)), bench.split) == ""


def test_calibrated_fusions_and_memory_formats_are_as_in_plain_cells(bench: Any, fake: Any) -> None:
    cell = BOTH | {"fusion": "stacked"}
    train = {"batch_size": 6, "epochs": 1, "channels_last": True}
    folder = bench.train(fake.experiment(swept({"train.learning_rate": [1e-2]}, cell), train=train), "grid")
    plain = bench.train(fake.experiment(cell, train=train | {"learning_rate": 1e-2}), "plain")
    pd.testing.assert_frame_equal(predicted(folder), predicted(plain), check_exact=True)


def test_tables_note_the_grid(bench: Any, fake: Any) -> None:
    experiment = fake.experiment(swept({"train.learning_rate": [1e-2], "train.epochs": [2, 1]}))
    bench.train(experiment, f"runs/test/{experiment.cells[0].id}/0")
    runs = read_runs("test", experiment, bench.folder / "runs")
    flags = flags_of(experiment, experiment.cells[0], runs, 1, 20)
    assert "grid of 2" in flags
    assert "epochs<=2" in flags
    assert meaning_of("grid of 2", []).startswith("so many combinations")


@pytest.mark.skipif(sys.platform != "linux", reason="as the other tests of several processes")
def test_several_processes_choose_the_same(tmp_path: Path) -> None:
    cell = swept({"train.learning_rate": [1e-6, 1e-2]})
    done = train_in_processes(tmp_path, 2, cell, {"train": {"batch_size": 6, "epochs": 2}, "seeds": 2})
    assert done.returncode == 0, done.stderr[-2000:]
    assert [facts(tmp_path / "out" / seed)["grid"]["chosen"] for seed in "01"] == [{"train.learning_rate": 1e-2}] * 2
    assert json.loads((tmp_path / "out" / "fold.json").read_text())["seeds"] == [0, 1]
    assert done.stdout.count("chosen, mean validation loss") == 1  # by the first process alone
