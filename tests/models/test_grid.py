"""Training of cells with a `grid`: the test subset has no part in the choice of a combination."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.swept_cells import AUDIO, BOTH, RATES, swept
from support.train_script import train_in_processes
from support.training import facts

from affectstore.evaluation.row_notes import meaning_of, row_notes
from affectstore.evaluation.runs import read_runs
from affectstore.models.data.batch import BatchMaker
from affectstore.models.spec import TrainingError
from affectstore.models.training import evaluate, trainer
from affectstore.models.training.trainer import Trainer
from affectstore.preflight.cells import combination_digests, plan_cells
from affectstore.preflight.validate import validate_grids


def trials(folder: Path) -> dict[tuple[str, int], float]:
    """(digest, seed) -> time at which it was trained."""
    found = folder.glob("grid/*/*/run.json")
    return {(path.parts[-3], int(path.parts[-2])): path.stat().st_mtime_ns for path in found}


def predicted(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet")


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
    (problem,) = validate_grids(experiment, plans, bench.split)
    assert "protocol 'speaker_independent' has none in fold 0" in str(problem)
    plain = fake.experiment(AUDIO)
    assert list(validate_grids(plain, plan_cells("test", plain, (0,)), bench.split)) == []


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
    notes = row_notes(experiment, experiment.cells[0], runs, 1, 20)
    assert "grid of 2" in notes
    assert "epochs<=2" in notes
    assert meaning_of("grid of 2", []).startswith("so many combinations")


@pytest.mark.skipif(sys.platform != "linux", reason="as the other tests of several processes")
def test_several_processes_choose_the_same(tmp_path: Path) -> None:
    cell = swept({"train.learning_rate": [1e-6, 1e-2]})
    done = train_in_processes(tmp_path, 2, cell, {"train": {"batch_size": 6, "epochs": 2}, "seeds": 2})
    assert done.returncode == 0, done.stderr[-2000:]
    assert [facts(tmp_path / "out" / seed)["grid"]["chosen"] for seed in "01"] == [{"train.learning_rate": 1e-2}] * 2
    assert json.loads((tmp_path / "out" / "fold.json").read_text())["seeds"] == [0, 1]
    assert done.stdout.count("chosen, mean validation loss") == 1  # by the first process alone
