"""Clips that lack a modality: every encoder and fusion bears it, and what is not there has no say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from small_networks import small, small_fusion
from torch import Tensor

from affectstore.config.experiment import Experiment
from affectstore.evaluation.predictions import read_predictions
from affectstore.models.absent import present_in
from affectstore.models.base import ENCODERS, FUSIONS, GivenSteps
from affectstore.models.check import check_cell, check_pair
from affectstore.models.network import Network
from affectstore.models.recipe import recipe_of

CLASSES = ("ANG", "HAP", "SAD")
ALL = ("audio", "vision", "text")
LATE = ("mean", "product", "stacked", "weighted")
#: Small ones, of each kind of input and output.
ENCODERS_TRIED = ("mlp", "transformer", "auxformer", "image_cnn", "vit", "conv3d")


def cell_of(fusion: str, encoder: str = "") -> dict[str, Any]:
    """As many modalities as the fusion joins, with a small encoder that fits."""
    modalities = ALL if FUSIONS.load(fusion).SPEC.needs != "inputs" else ALL[:2]
    fits = [name for name in ENCODERS_TRIED if not check_pair(dict.fromkeys(modalities, name), fusion)]
    name = encoder or fits[0]
    if ENCODERS.load(name).SPEC.takes != "sequence":
        modalities = ALL[:2]
    options = {"encoder_options": small(name), "fusion_options": small_fusion(fusion)}
    return {"modalities": modalities, "encoder": name, "fusion": fusion, **options}


def network_of(cell: dict[str, Any]) -> Network:
    torch.manual_seed(0)
    pictures = {"size_px": 32, "colour": "grey", "frames": 5}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,), pictures=pictures)
    assert check_cell(experiment, experiment.cells[0]) == ""
    columns = dict(zip(("lld", "vggface", "bert"), (5, 6, 7), strict=True))
    net = Network(recipe_of(experiment, experiment.cells[0], CLASSES, columns))
    for parameter in net.parameters():  # ladders and score fusions start with zeros that hide what is there
        parameter.data += 0.02 * torch.randn(parameter.shape)
    with torch.no_grad():
        net(*inputs(net), spans=spans(net, inputs(net)[1]))  # so that batch normalisation has seen clips
    return net.eval()


def inputs(net: Network, clips: int = 3, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for length, (modality, given) in zip((6, 4, 3), net.recipe.given.items(), strict=False):
        steps = isinstance(given, GivenSteps)
        shape = (length, given.columns) if isinstance(given, GivenSteps) else given.shape
        values[modality] = torch.randn(clips, *shape, generator=generator)
        frames = length if steps else getattr(given, "frames", None) or 1
        masks[modality] = torch.ones(clips, frames, dtype=torch.bool)
    return values, masks


def spans(net: Network, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    if net.recipe.words is None:
        return {}
    clips, words = masks[net.recipe.words].shape
    first = torch.arange(words).expand(clips, words)
    return {m: torch.stack([first, first + 1], dim=2) for m in masks if m != net.recipe.words}


def logits_of(net: Network, values: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
    """Of clips that may lack words or what is under them."""
    under = spans(net, inputs(net, clips=3)[1]) if net.recipe.words in values else {}
    with torch.inference_mode():
        return net(values, masks, spans={m: s for m, s in under.items() if m in values}).logits


def without(parts: dict[str, Tensor], modality: str) -> dict[str, Tensor]:
    return {m: x for m, x in parts.items() if m != modality}


def cases() -> list[dict[str, Any]]:
    """Every fusion on a small encoder, and every encoder under late fusion."""
    return [*map(cell_of, FUSIONS.names()), *(cell_of("mean", encoder) for encoder in ENCODERS.names())]


@pytest.mark.parametrize("cell", cases(), ids=lambda cell: f"{cell['encoder']}-{cell['fusion']}")
def test_a_network_bears_the_loss_of_a_modality(cell: dict[str, Any]) -> None:
    net = network_of(cell)
    values, masks = inputs(net)
    whole = logits_of(net, values, masks)
    for modality in net.recipe.modalities:
        lost = logits_of(net, without(values, modality), without(masks, modality))
        assert lost.isfinite().all()
        if modality in net.heard:
            assert not torch.equal(lost, whole)
        # One clip of the batch lacks it: what it holds where nothing is does not matter, nor do its neighbours.
        gone = {m: x.clone() for m, x in masks.items()}
        gone[modality][1] = False
        junk = {m: x.clone() for m, x in values.items()}
        junk[modality][1] = 0
        mixed = logits_of(net, junk, gone)
        torch.testing.assert_close(mixed[[0, 2]], whole[[0, 2]], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mixed[1], lost[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "product", "weighted"])
@pytest.mark.parametrize("modality", ALL)
def test_late_fusion_leaves_out_what_is_absent(name: str, modality: str) -> None:
    net = network_of(cell_of(name))
    values, masks = inputs(net)
    others = [m for m in ALL if m != modality]
    with torch.inference_mode():
        own = net(values, masks, None, True).scores
        one = net({others[0]: values[others[0]]}, {others[0]: masks[others[0]]}).logits.softmax(dim=1)
    torch.testing.assert_close(one, own[others[0]].exp())
    p = logits_of(net, without(values, modality), without(masks, modality)).softmax(dim=1)
    first, second = (own[m].exp() for m in others)
    product = first * second
    expected = product / product.sum(dim=1, keepdim=True) if name == "product" else (first + second) / 2
    torch.testing.assert_close(p, expected)


def test_an_absent_modality_tells_a_stacked_classifier_nothing() -> None:
    net = network_of(cell_of("stacked"))
    values, masks = inputs(net)
    labels = torch.tensor([0, 1, 2])
    net.settle({m: e.vector for m, e in net.encode(values, masks).items()}, labels)
    with torch.inference_mode():
        own = net(values, masks, None, True).scores
    uniform = torch.full((3, 3), 1 / 3).log()
    heard = torch.cat([uniform if m == "vision" else own[m] for m in ALL], dim=1)
    matrix, bias = net.fusion.get_buffer("matrix"), net.fusion.get_buffer("bias")
    lost = logits_of(net, without(values, "vision"), without(masks, "vision"))
    torch.testing.assert_close(lost, heard @ matrix + bias)


def test_auxformer_leaves_out_the_network_of_an_absent_modality() -> None:
    net = network_of(cell_of("auxformer"))
    values, masks = inputs(net)
    values, masks = without(values, "text"), without(masks, "text")
    with torch.inference_mode():
        output = net(values, masks, None, True)
        empty = {"text": torch.zeros(3, 1, 7)}, {"text": torch.zeros(3, 1, dtype=torch.bool)}
        encoded = net.encode({**values, **empty[0]}, {**masks, **empty[1]})
        encoded["text"] = encoded["text"]._replace(sequence=torch.zeros_like(encoded["text"].sequence))
        joint = net.fusion["main"](encoded)
    expected = (joint + output.scores["audio"] + output.scores["vision"]) / 3
    torch.testing.assert_close(output.logits, expected)


@pytest.mark.parametrize("name", FUSIONS.names())
def test_what_a_modality_says_alone_is_its_own(name: str) -> None:
    net = network_of(cell_of(name))
    values, masks = inputs(net)
    with torch.inference_mode():
        before = net(values, masks, None, True, spans(net, masks)).scores
    assert list(before) == list(net.recipe.modalities)
    other = inputs(net, seed=1)[0]
    for modality in net.recipe.modalities:
        with torch.inference_mode():
            after = net({**values, modality: other[modality]}, masks, None, True, spans(net, masks)).scores
        for scored, logits in after.items():
            assert logits.shape == (3, len(CLASSES))
            if scored != modality:
                torch.testing.assert_close(logits, before[scored])
        assert modality not in net.heard or not torch.equal(after[modality], before[modality])


def test_a_fusion_of_layers_without_scores_hears_one_modality_with_noise_too() -> None:
    net, ladder = network_of(cell_of("ladder")).train(), FUSIONS.load("ladder")
    net._fusion = SimpleNamespace(SPEC=ladder.SPEC, noise=ladder.noise, fuse=ladder.fuse)
    values, masks = inputs(net)
    other = {**values, "vision": inputs(net, seed=1)[0]["vision"]}
    said = []
    for given in (values, other):
        torch.manual_seed(2)  # of the noise
        said.append(net(given, masks, None, True).scores)
    torch.testing.assert_close(said[1]["audio"], said[0]["audio"])
    assert not torch.equal(said[1]["vision"], said[0]["vision"])


def test_who_has_what() -> None:
    has, lacks = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.bool)
    assert present_in({"audio": has, "vision": has}) == {}
    some = lacks.clone()
    some[0, 1] = True
    found = present_in({"audio": has, "vision": some})
    assert {m: p.tolist() for m, p in found.items()} == {"audio": [True, True], "vision": [True, False]}
    nothing = present_in({"audio": some, "vision": some})  # the second clip has nothing: nothing is left out of it
    assert {m: p.tolist() for m, p in nothing.items()} == {"audio": [True, True], "vision": [True, True]}


def test_a_network_needs_something() -> None:
    with pytest.raises(ValueError, match="given none of them"):
        network_of(cell_of("concat"))({}, {})


BOTH = {"modalities": ["audio", "vision"], "encoder": "image_cnn", "fusion": "mean"}


@pytest.mark.parametrize(
    ("missing", "conditions"),
    [
        (("masked",), ["no_audio", "no_vision"]),
        (("absent",), ["absent_audio", "absent_vision"]),
        (("masked", "absent"), ["absent_audio", "absent_vision", "no_audio", "no_vision"]),
        ((), []),
    ],
)
def test_an_experiment_says_what_is_tried(
    bench: Any, fake: Any, missing: tuple[str, ...], conditions: list[str]
) -> None:
    folder = bench.train(fake.experiment(BOTH, missing=missing))
    table = read_predictions(folder / "predictions.parquet", CLASSES, fold=0, seed=0)
    assert table.groupby(["side", "condition"]).size().to_dict() == {
        ("val", "full"): 6,
        **{("test", condition): 6 for condition in ["full", *conditions]},
    }


def test_absent_is_the_other_modality_alone_and_masked_is_not(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(BOTH, missing=("masked", "absent")))
    table = pd.read_parquet(folder / "predictions.parquet").query("side == 'test'")
    p = table.pivot(index="clip_id", columns="condition", values="p_ANG")
    # Late fusion by the mean: with both, the mean of what each says alone.
    assert p["full"].to_numpy() == pytest.approx(((p["absent_audio"] + p["absent_vision"]) / 2).to_numpy(), abs=1e-6)
    assert (p["no_audio"] - p["absent_audio"]).abs().max() > 1e-4
