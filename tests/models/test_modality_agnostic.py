"""One network, one modality of a clip at a time (`sharing: union`)."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from affectstore.config.experiment import Cell
from affectstore.evaluation.predictions import read_predictions
from affectstore.models.base import GivenSteps
from affectstore.models.cells.validate import check_cell
from affectstore.models.data.batch import make_batch, scales_of
from affectstore.models.data.dataset import load_clips
from affectstore.models.training.criterion import UNLABELLED, LabelLoss
from affectstore.models.training.evaluate import scores_of
from affectstore.models.training.saved_model import load_model
from affectstore.models.network import Network
from affectstore.models.cells.recipe import Part, Recipe, recipe_of
from affectstore.models.units import labels_of_units, stacked

CLASSES = ("ANG", "HAP", "SAD")
UNION = {"modalities": ["audio", "vision"], "encoder": "image_cnn", "sharing": "union"}


def test_each_modality_of_a_clip_is_a_prediction(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(UNION))
    table = read_predictions(folder / "predictions.parquet", CLASSES, fold=0, seed=0)
    counts = table.groupby(["side", "condition"]).size().to_dict()
    assert counts == {("val", "full"): 12, ("test", "full"): 12, ("test", "no_audio"): 6, ("test", "no_vision"): 6}
    full = table[(table["side"] == "test") & (table["condition"] == "full")]
    assert set(full["unit_id"]) == {f"{clip}:{m}" for clip in set(full["clip_id"]) for m in ("audio", "vision")}
    assert (full["unit_id"] == full["clip_id"] + ":" + full["modality"]).all()
    assert full.loc[full["modality"] == "vision", "audio_clip_id"].isna().all()
    labels = bench.store.clips.set_index("clip_id")["label_intended"]
    assert (table["y"] == table["clip_id"].map(labels)).all()
    for condition, left in (("no_audio", "vision"), ("no_vision", "audio")):
        part = table[table["condition"] == condition]
        assert set(part["modality"]) == {left}
        same = part.merge(full, on="unit_id")
        assert (same["p_ANG_x"] == same["p_ANG_y"]).all()
    run = json.loads((folder / "run.json").read_text())
    assert (run["cell"], run["badges"]) == ("image_cnn-multimodal-union", ["one modality at a time"])


def test_one_network_has_one_set_of_weights_and_learns_from_all(bench: Any, fake: Any) -> None:
    def parameters(cell: dict[str, Any], out: str) -> int:
        return json.loads((bench.train(fake.experiment(cell), out) / "run.json").read_text())["parameters"]

    alone = parameters({"modalities": ["audio"], "encoder": "image_cnn"}, "alone")
    assert parameters(UNION, "union") == alone
    settings = fake.experiment(UNION, train={"learning_rate": 1e-2, "batch_size": 6, "epochs": 30})
    table = pd.read_parquet(bench.train(settings, "long") / "predictions.parquet")
    hit = table[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1) == [CLASSES.index(y) for y in table["y"]]
    by_modality = pd.Series(hit).groupby([table["side"], table["modality"]]).mean()
    assert (by_modality["test"] == 1.0).all()


def test_what_is_said_of_a_modality_is_what_the_network_says_of_it_alone(bench: Any, fake: Any) -> None:
    experiment = fake.experiment(UNION)
    folder = bench.train(experiment)
    network, scales = load_model(folder)
    ids = bench.split.loc[bench.split["side"] == "test", "clip_id"]
    table = bench.store.clips.set_index("clip_id").loc[ids].reset_index()[["clip_id", "speaker"]].assign(label="ANG")
    clips = load_clips(bench.store, network.recipe, table, folder)
    batch = make_batch(clips, range(len(clips)), network.recipe, scales, torch.device("cpu"))
    (encoder,) = network.encoders.values()
    module = network._parts["shared"]
    wrote = pd.read_parquet(folder / "predictions.parquet").query("side == 'test' and condition == 'full'")
    for modality in ("audio", "vision"):
        with torch.inference_mode():
            vector = module[0].encode(encoder, batch.values[modality], batch.masks[modality], module[1])
            p = network.head(vector).softmax(dim=1)
        own = wrote[wrote["modality"] == modality].set_index("clip_id").loc[ids]
        torch.testing.assert_close(p[:, 0], torch.tensor(own["p_ANG"].to_numpy()), atol=1e-6, rtol=1e-5)


def test_inputs_are_normalised_by_their_own_modality(bench: Any, fake: Any) -> None:
    recipe = recipe_of(fake.experiment(UNION), fake.experiment(UNION).cells[0], CLASSES)
    table = bench.store.clips[["clip_id", "speaker"]].assign(label="ANG")
    clips = load_clips(bench.store, recipe, table, bench.folder)
    batch = make_batch(clips, range(len(clips)), recipe, scales_of(clips, recipe), torch.device("cpu"))
    for values in batch.values.values():
        assert values.mean().item() == pytest.approx(0, abs=1e-4)


def test_sequences_are_padded_to_the_longest_of_all_modalities() -> None:
    values = {"audio": torch.ones(2, 3, 4), "vision": 2 * torch.ones(2, 5, 4)}
    masks = {"audio": torch.ones(2, 3, dtype=torch.bool), "vision": torch.ones(2, 5, dtype=torch.bool)}
    joined, mask = stacked(values, masks)
    assert (joined.shape, mask.sum(dim=1).tolist()) == ((4, 5, 4), [3, 3, 5, 5])
    assert joined[:2, 3:].abs().sum() == 0
    assert (joined[2:] == 2).all()


def test_padding_does_not_change_what_is_said_of_the_shorter_modality() -> None:
    given = {m: GivenSteps(columns=4) for m in ("audio", "vision")}
    part = Part(name="blstm", version=1, options={"hidden": 8, "pooling": "mean"})
    recipe = Recipe(
        modalities=("audio", "vision"),
        inputs={"audio": "a", "vision": "v"},
        takes=dict.fromkeys(given, "sequence"),
        pictures={},
        given=given,
        encoders=dict.fromkeys(given, part),
        sharing="union",
        classes=CLASSES,
    )
    torch.manual_seed(0)
    network = Network(recipe).eval()
    audio, vision = torch.randn(2, 3, 4), torch.randn(2, 9, 4)
    masks = {"audio": torch.ones(2, 3, dtype=torch.bool), "vision": torch.ones(2, 9, dtype=torch.bool)}
    long = network({"audio": audio, "vision": vision}, masks).logits
    masks["vision"] = masks["audio"]
    short = network({"audio": audio, "vision": vision[:, :3]}, masks).logits
    torch.testing.assert_close(long[:2], short[:2])
    assert not torch.allclose(long[2:], short[2:])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("unlabelled", [False, True])
def test_the_loss_is_the_mean_over_clips_and_modalities(smoothing: float, unlabelled: bool) -> None:
    torch.manual_seed(1)
    logits, labels = torch.randn(8, 3), torch.tensor([0, 2, 1, 0])
    if unlabelled:
        labels[1] = UNLABELLED
    weights = torch.tensor([1.0, 2.0, 0.5])
    loss = LabelLoss(labels, weights, smoothing, some_unlabelled=unlabelled)
    twice = torch.cat([labels, labels])
    expected = F.cross_entropy(logits, twice, weights, label_smoothing=smoothing, ignore_index=UNLABELLED)
    torch.testing.assert_close(loss(logits), expected)
    # As several processes share a batch: their means, weighted by their clips, are the mean of all.
    rows = torch.tensor([0, 1]), torch.tensor([2, 3])
    halves = [loss.at(own)(logits[torch.cat([own, own + 4])]) / 2 for own in rows]
    torch.testing.assert_close(sum(halves), expected)


def test_scores_count_every_modality() -> None:
    labels = torch.tensor([0, 1])
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])  # the second modality misses the first clip
    assert labels_of_units(labels, logits).tolist() == [0, 1, 0, 1]
    assert scores_of(logits, labels)["accuracy"] == 0.75
    assert scores_of(logits, labels)["uar"] == 0.75


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modalities": ["audio"]}, "there is one"),
        ({"fusion": "concat"}, "nothing is fused"),
        ({"encoder": {"audio": "image_cnn", "vision": "resnet18"}}, "means one encoder"),
    ],
)
def test_what_a_union_cannot_be(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Cell(**(UNION | changes))


@pytest.mark.parametrize(
    ("train", "reason"),
    [({"modality_dropout": 0.3}, "classified for itself"), ({"balance": "ogm_ge"}, "none are")],
)
def test_options_that_mean_nothing_to_a_union(fake: Any, train: dict[str, Any], reason: str) -> None:
    experiment = fake.experiment(UNION | {"train": train})
    assert reason in check_cell(experiment, experiment.cells[0])
