"""A training job from store and split to its folder: files, reused runs, counts, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.fake_store import CLASSES
from support.training import DIGESTS, facts

from affectstore.errors import StaleError, StoreError
from affectstore.evaluation.predictions import read_predictions
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.batch import BatchMaker
from affectstore.models.data.dataset import load_clips
from affectstore.models.data.fold import select_clips
from affectstore.models.spec import TrainingError
from affectstore.models.training.evaluate import predict_logits
from affectstore.models.training.saved_model import load_model

BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "concat", "sharing": "shared"}
AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}


def test_a_run_writes_everything_that_tables_need(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(BOTH))
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.csv",
        "model.json",
        "model.safetensors",
        "predictions.parquet",
        "run.json",
    ]
    run = facts(folder)
    assert (run["cell"], run["fold"], run["seed"]) == ("simple3d-multimodal-concat-shared", 0, 0)
    assert run["digests"] == DIGESTS
    assert run["n"] == {"train": 12, "val": 6, "test": 6}
    assert run["weights"] == {"audio": "random", "vision": "random"}
    assert (run["badges"], run["init_from"], run["input_kind"], run["device"]) == ([], None, "clip", "cpu")
    assert 1 <= run["best_epoch"] <= run["epochs"] == 3
    assert all(run[name] > 0 for name in ("wall_s", "train_s", "infer_ms_per_clip", "peak_mem_mb", "parameters"))
    assert run["train_ms_per_clip"] == pytest.approx(1000 * run["train_s"] / (3 * 12))
    assert run["device_name"]
    assert run["versions"]["torch"] == torch.__version__.partition("+")[0]
    columns = pd.read_csv(folder / "history.csv").columns.tolist()
    assert columns == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "learning_rate",
        "val_loss",
        "val_accuracy",
        "val_uar",
        "seconds",
        "clips_per_s",
    ]
    marker = json.loads((folder.parent / "fold.json").read_text())
    assert (marker["digests"], marker["seeds"]) == (DIGESTS, [0])


def test_predictions_are_in_the_form_that_scoring_reads(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(BOTH, seeds=2))
    table = read_predictions(folder.parent / "1" / "predictions.parquet", CLASSES, fold=0, seed=1)
    counts = table.groupby(["subset", "condition"]).size().to_dict()
    assert counts == {("val", "full"): 6, ("test", "full"): 6, ("test", "no_audio"): 6, ("test", "no_vision"): 6}
    assert table["p_ANG"].dtype == np.float32
    subsets = bench.split.set_index("clip_id")["subset"]
    assert (table["subset"] == table["clip_id"].map(subsets)).all()
    labels = bench.store.clips.set_index("clip_id")["label_intended"]
    assert (table["y"] == table["clip_id"].map(labels)).all()
    wide = table[table["subset"] == "test"].pivot(index="clip_id", columns="condition", values="p_ANG")
    assert (wide["full"] != wide["no_audio"]).any()
    assert (wide["no_audio"] != wide["no_vision"]).any()
    assert set(bench.train(fake.experiment(AUDIO), "alone").parent.iterdir())
    alone = pd.read_parquet(bench.folder / "alone" / "0" / "predictions.parquet")
    assert set(alone["condition"]) == {"full"}


def test_a_complete_run_is_reused_and_new_seeds_are_added(
    bench: Any, fake: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first = bench.train(fake.experiment(AUDIO, seeds=1))
    stamp = (first / "model.safetensors").stat().st_mtime_ns
    (first.parent / "fold.json").unlink()
    capsys.readouterr()
    bench.train(fake.experiment(AUDIO, seeds=2))
    assert "seed 0: reused" in capsys.readouterr().out
    assert (first / "model.safetensors").stat().st_mtime_ns == stamp
    assert json.loads((first.parent / "fold.json").read_text())["seeds"] == [0, 1]
    bench.train(fake.experiment(AUDIO, seeds=1), digests={**DIGESTS, "features": "new"})
    assert (first / "model.safetensors").stat().st_mtime_ns != stamp
    (first / "predictions.parquet").unlink()
    bench.train(fake.experiment(AUDIO, seeds=1), digests={**DIGESTS, "features": "new"})
    assert (first / "predictions.parquet").exists()


def test_a_saved_model_reproduces_the_predictions(bench: Any, fake: Any, tmp_path: Path) -> None:
    folder = bench.train(fake.experiment(BOTH))
    network, scales = load_model(folder)
    rows = pd.read_parquet(folder / "predictions.parquet")
    rows = rows[(rows["subset"] == "test") & (rows["condition"] == "full")]
    table = rows[["clip_id", "speaker"]].assign(label=rows["y"])
    clips = load_clips(bench.store, network.recipe, table, tmp_path)
    maker = BatchMaker(clips, network.recipe, scales, torch.device("cpu"))
    p = torch.softmax(predict_logits(network, maker, 3), dim=1).numpy()
    np.testing.assert_allclose(p, rows[[f"p_{label}" for label in CLASSES]].to_numpy(), atol=1e-6)
    with pytest.raises(StoreError, match=r"no trained network.*model\.json"):
        load_model(tmp_path / "nowhere")


def test_a_saved_model_of_anything_else_is_refused(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(AUDIO))
    path = folder / "model.json"
    assert json.loads(path.read_text())["digests"] == DIGESTS
    load_model(folder, DIGESTS)
    load_model(folder, {"split": "s"})
    for part in DIGESTS:
        with pytest.raises(StaleError, match=rf"another {part}: its digest is {DIGESTS[part]}, expected is x;.*delete"):
            load_model(folder, DIGESTS | {part: "x"})
    with pytest.raises(StaleError, match="another labels: its digest is None"):
        load_model(folder, DIGESTS | {"labels": "l"})
    record = json.loads(path.read_text())
    assert record["format"] == 2
    path.write_text(json.dumps(record | {"format": 1}))
    with pytest.raises(StaleError, match=r"has format 1, this version reads 2; delete"):
        load_model(folder)
    del record["digests"]
    path.write_text(json.dumps(record))
    for expected in (None, DIGESTS):
        with pytest.raises(StaleError, match=r"does not contain the digests of what it was trained on; delete"):
            load_model(folder, expected)


def test_every_clip_that_is_left_out_is_counted_and_listed(bench: Any, fake: Any) -> None:
    store, split = bench.store, bench.split
    test, train = (split.loc[split["subset"] == subset, "clip_id"].tolist() for subset in ("test", "train"))
    for clip_id in (test[0], train[0]):
        del store.features["mel_chunks"].arrays[clip_id]
        store.features["mel_chunks"].failed[clip_id] = "no audio stream"
    split.loc[split["clip_id"] == train[1], ["subset", "reason"]] = ["excluded", "known bad"]
    store.clips.loc[store.clips["clip_id"] == train[2], "label_intended"] = None
    folder = bench.train(fake.experiment(AUDIO))
    run = facts(folder)
    assert run["n"] == {"train": 9, "val": 6, "test": 5}
    assert run["skipped"] == {"mel_chunks: failed, no audio stream": 2}
    assert run["skipped_test"] == 1
    assert run["excluded"] == {"excluded: known bad": 1, "no label_intended": 1}
    listed = pd.read_csv(folder.parent / "left_out.tsv", sep="\t", dtype=str)
    assert sorted(listed["clip_id"]) == sorted([test[0], *train[:3]])
    predicted = pd.read_parquet(folder / "predictions.parquet")
    assert test[0] not in set(predicted["clip_id"])


def test_without_a_validation_subset_the_last_epoch_is_chosen_and_noted(bench: Any, fake: Any) -> None:
    bench.split.loc[bench.split["subset"] == "val", "subset"] = "train"
    folder = bench.train(fake.experiment(AUDIO, train={"epochs": 3, "patience": 1, "batch_size": 6}))
    run = facts(folder)
    assert (run["best_epoch"], run["epochs"], run["chosen_by"]) == (3, 3, "last epoch")
    assert run["badges"] == ["no validation subset: last epoch"]
    assert "val_loss" not in pd.read_csv(folder / "history.csv").columns
    assert set(pd.read_parquet(folder / "predictions.parquet")["subset"]) == {"test"}


def test_the_selection_applies_to_all_subsets(bench: Any, fake: Any) -> None:
    experiment = fake.experiment(AUDIO, select={"level": ("HI",)})
    recipe = recipe_for(experiment, experiment.cells[0], CLASSES)
    clips = select_clips(bench.store, bench.split, experiment, recipe, "x")
    assert {subset: len(table) for subset, table in clips.subsets.items()} == {"train": 6, "val": 2, "test": 4}
    assert clips.reasons("excluded") == {"level not selected": 12}
    assert clips.reasons("excluded", "test") == {"level not selected": 2}


def test_the_error_about_an_empty_subset_states_the_reasons(bench: Any, fake: Any) -> None:
    for clip_id in bench.split.loc[bench.split["subset"] == "test", "clip_id"]:
        bench.store.features["mel_chunks"].failed[clip_id] = "silent"
        del bench.store.features["mel_chunks"].arrays[clip_id]
    with pytest.raises(TrainingError, match=r"no clip is left in the test subset of 24.*silent': 6"):
        bench.train(fake.experiment(AUDIO))


def test_a_missing_fold_is_reported(bench: Any, fake: Any) -> None:
    bench.split["fold"] = 3
    with pytest.raises(StoreError, match=r"has no fold 0; it has 3"):
        bench.train(fake.experiment(AUDIO))


def test_an_invalid_cell_is_refused_in_planning(fake: Any) -> None:
    experiment = fake.experiment({"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "time"})
    assert "frame axis" in (cell_problem(experiment, experiment.cells[0]) or "")
