"""One network that receives one modality of a clip at a time (`sharing: modality_agnostic`)."""

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
from affectstore.models.cells.recipe import Part, Recipe, recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.data.batch import BatchMaker, compute_scales
from affectstore.models.data.dataset import load_clips
from affectstore.models.modules import UNLABELLED, Criterion
from affectstore.models.network import Network, stack_modalities
from affectstore.models.spec import LOSSES, SequenceShape
from affectstore.models.training.evaluate import score_logits
from affectstore.models.training.saved_model import load_model

CLASSES = ("ANG", "HAP", "SAD")
AGNOSTIC = {"modalities": ["audio", "vision"], "encoder": "image_cnn", "sharing": "modality_agnostic"}


def test_each_modality_of_a_clip_is_a_prediction(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(AGNOSTIC))
    table = read_predictions(folder / "predictions.parquet", CLASSES, fold=0, seed=0)
    counts = table.groupby(["subset", "condition"]).size().to_dict()
    assert counts == {("val", "full"): 12, ("test", "full"): 12, ("test", "no_audio"): 6, ("test", "no_vision"): 6}
    full = table[(table["subset"] == "test") & (table["condition"] == "full")]
    assert set(full["instance_id"]) == {f"{clip}:{m}" for clip in set(full["clip_id"]) for m in ("audio", "vision")}
    assert (full["instance_id"] == full["clip_id"] + ":" + full["modality"]).all()
    assert full.loc[full["modality"] == "vision", "audio_clip_id"].isna().all()
    labels = bench.store.clips.set_index("clip_id")["label_intended"]
    assert (table["y"] == table["clip_id"].map(labels)).all()
    for condition, left in (("no_audio", "vision"), ("no_vision", "audio")):
        part = table[table["condition"] == condition]
        assert set(part["modality"]) == {left}
        same = part.merge(full, on="instance_id")
        assert (same["p_ANG_x"] == same["p_ANG_y"]).all()
    run = json.loads((folder / "run.json").read_text())
    assert (run["cell"], run["badges"]) == ("image_cnn-multimodal-modality_agnostic", ["one modality at a time"])


def test_one_network_has_one_set_of_weights_and_learns_from_all(bench: Any, fake: Any) -> None:
    def parameters(cell: dict[str, Any], out: str) -> int:
        return json.loads((bench.train(fake.experiment(cell), out) / "run.json").read_text())["parameters"]

    alone = parameters({"modalities": ["audio"], "encoder": "image_cnn"}, "alone")
    assert parameters(AGNOSTIC, "agnostic") == alone
    settings = fake.experiment(AGNOSTIC, train={"learning_rate": 1e-2, "batch_size": 6, "epochs": 30})
    table = pd.read_parquet(bench.train(settings, "long") / "predictions.parquet")
    hit = table[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1) == [CLASSES.index(y) for y in table["y"]]
    by_modality = pd.Series(hit).groupby([table["subset"], table["modality"]]).mean()
    assert (by_modality["test"] == 1.0).all()


def test_predictions_of_a_modality_are_those_for_it_alone(bench: Any, fake: Any) -> None:
    experiment = fake.experiment(AGNOSTIC)
    folder = bench.train(experiment)
    network, scales = load_model(folder)
    ids = bench.split.loc[bench.split["subset"] == "test", "clip_id"]
    table = bench.store.clips.set_index("clip_id").loc[ids].reset_index()[["clip_id", "speaker"]].assign(label="ANG")
    clips = load_clips(bench.store, network.recipe, table, folder)
    batch = BatchMaker(clips, network.recipe, scales, torch.device("cpu")).make(range(len(clips)))
    (encoder,) = network.encoders.values()
    written = pd.read_parquet(folder / "predictions.parquet").query("subset == 'test' and condition == 'full'")
    for modality in ("audio", "vision"):
        with torch.inference_mode():
            vector = encoder(batch.values[modality], batch.masks[modality]).vector
            p = network.head(vector).softmax(dim=1)
        own = written[written["modality"] == modality].set_index("clip_id").loc[ids]
        torch.testing.assert_close(p[:, 0], torch.tensor(own["p_ANG"].to_numpy()), atol=1e-6, rtol=1e-5)


def test_inputs_are_normalised_by_their_own_modality(bench: Any, fake: Any) -> None:
    recipe = recipe_for(fake.experiment(AGNOSTIC), fake.experiment(AGNOSTIC).cells[0], CLASSES)
    table = bench.store.clips[["clip_id", "speaker"]].assign(label="ANG")
    clips = load_clips(bench.store, recipe, table, bench.folder)
    batch = BatchMaker(clips, recipe, compute_scales(clips, recipe), torch.device("cpu")).make(range(len(clips)))
    for values in batch.values.values():
        assert values.mean().item() == pytest.approx(0, abs=1e-4)


def test_sequences_are_padded_to_the_longest_of_all_modalities() -> None:
    values = {"audio": torch.ones(2, 3, 4), "vision": 2 * torch.ones(2, 5, 4)}
    masks = {"audio": torch.ones(2, 3, dtype=torch.bool), "vision": torch.ones(2, 5, dtype=torch.bool)}
    joined, mask = stack_modalities(values, masks)
    assert (joined.shape, mask.sum(dim=1).tolist()) == ((4, 5, 4), [3, 3, 5, 5])
    assert joined[:2, 3:].abs().sum() == 0
    assert (joined[2:] == 2).all()


def test_padding_does_not_change_the_logits_of_the_shorter_modality() -> None:
    shapes = {m: SequenceShape(dim=4) for m in ("audio", "vision")}
    part = Part(name="blstm", version=1, options={"hidden_dim": 8, "pooling": "mean"})
    recipe = Recipe(
        modalities=("audio", "vision"),
        inputs={"audio": "a", "vision": "v"},
        input_kinds=dict.fromkeys(shapes, "sequence"),
        images={},
        shapes=shapes,
        encoders=dict.fromkeys(shapes, part),
        sharing="modality_agnostic",
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
    cross_entropy = LOSSES.load("cross_entropy")
    loss = cross_entropy.build(weights, smoothing, cross_entropy.Options())
    criterion = Criterion(loss, labels, some_unlabelled=unlabelled)
    twice = torch.cat([labels, labels])
    expected = F.cross_entropy(logits, twice, weights, label_smoothing=smoothing, ignore_index=UNLABELLED)
    torch.testing.assert_close(criterion(logits), expected)
    # As several processes share a batch: their means, weighted by their clips, are the mean of all.
    rows = torch.tensor([0, 1]), torch.tensor([2, 3])
    halves = [criterion.select(own)(logits[torch.cat([own, own + 4])]) / 2 for own in rows]
    torch.testing.assert_close(sum(halves), expected)


def test_scores_count_every_modality() -> None:
    labels = torch.tensor([0, 1])
    logits = torch.tensor(
        [[2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]
    )  # the second modality is wrong about the first clip
    assert score_logits(logits, labels)["accuracy"] == 0.75
    assert score_logits(logits, labels)["uar"] == 0.75
    assert score_logits(logits, labels)["loss"] == pytest.approx(F.cross_entropy(logits, labels.repeat(2)).item())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modalities": ["audio"]}, "there is one"),
        ({"fusion": "concat"}, "nothing is fused"),
        ({"encoder": {"audio": "image_cnn", "vision": "resnet18"}}, "means one encoder"),
    ],
)
def test_cells_that_cannot_be_modality_agnostic(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Cell(**(AGNOSTIC | changes))


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ({"tricks": {"modality_dropout": {"rate": 0.3}}}, "classified by itself"),
        ({"tricks": {"ogm_ge": {}}}, "none are"),
    ],
)
def test_tricks_that_modality_agnostic_cells_cannot_use(fake: Any, train: dict[str, Any], reason: str) -> None:
    experiment = fake.experiment(AGNOSTIC | {"train": train})
    assert reason in str(cell_problem(experiment, experiment.cells[0]))
