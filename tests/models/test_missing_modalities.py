"""Clips that lack a modality: every encoder and fusion accepts them, and a missing modality has no influence."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch
from support.small_networks import small, small_fusion
from torch import Tensor

from affectstore.config.experiment import Experiment
from affectstore.evaluation.predictions import read_predictions
from affectstore.models.blocks.missing import availability
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem, pair_problem
from affectstore.models.modules import Fusion
from affectstore.models.network import Network
from affectstore.models.spec import ENCODERS, FUSIONS, ClipShape, SequenceShape

CLASSES = ("ANG", "HAP", "SAD")
ALL = ("audio", "vision", "text")
#: Small encoders, of each kind of input and output.
ENCODERS_TRIED = ("mlp", "transformer", "auxformer", "image_cnn", "vit", "conv3d")


def cell_of(fusion: str, encoder: str = "") -> dict[str, Any]:
    """As many modalities as the fusion accepts, with a small encoder that fits."""
    modalities = ALL if FUSIONS.load(fusion).SPEC.needs != "inputs" else ALL[:2]
    fits = [name for name in ENCODERS_TRIED if pair_problem(dict.fromkeys(modalities, name), fusion) is None]
    name = encoder or fits[0]
    if ENCODERS.load(name).SPEC.input_kind != "sequence":
        modalities = ALL[:2]
    options = {"encoder_options": small(name), "fusion_options": small_fusion(fusion)}
    return {"modalities": modalities, "encoder": name, "fusion": fusion, **options}


def network_of(cell: dict[str, Any]) -> Network:
    torch.manual_seed(0)
    images = {"image_px": 32, "colour": "grayscale", "frames": 5}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,), images=images)
    assert cell_problem(experiment, experiment.cells[0]) is None
    dims = dict(zip(("lld", "vggface", "bert"), (5, 6, 7), strict=True))
    net = Network(recipe_for(experiment, experiment.cells[0], CLASSES, dims))
    for parameter in net.parameters():  # ladders and late fusions start with zeros that hide their inputs
        parameter.data += 0.02 * torch.randn(parameter.shape)
    with torch.no_grad():
        net(*inputs(net), spans=spans(net, inputs(net)[1]))  # so that batch normalisation has statistics
    return net.eval()


def inputs(net: Network, clips: int = 3, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for length, (modality, shape) in zip((6, 4, 3), net.recipe.shapes.items(), strict=False):
        size = (length, shape.dim) if isinstance(shape, SequenceShape) else shape.size
        values[modality] = torch.randn(clips, *size, generator=generator)
        frames = shape.frames if isinstance(shape, ClipShape) else 1
        steps = length if isinstance(shape, SequenceShape) else frames
        masks[modality] = torch.ones(clips, steps, dtype=torch.bool)
    return values, masks


def spans(net: Network, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    if net.recipe.words is None:
        return {}
    clips, words = masks[net.recipe.words].shape
    first = torch.arange(words).expand(clips, words)
    return {m: torch.stack([first, first + 1], dim=2) for m in masks if m != net.recipe.words}


def logits_of(net: Network, values: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
    """Logits of clips that may lack words, or the steps under them."""
    under = spans(net, inputs(net, clips=3)[1]) if net.recipe.words in values else {}
    with torch.inference_mode():
        return net(values, masks, spans={m: s for m, s in under.items() if m in values}).logits


def without(parts: dict[str, Tensor], modality: str) -> dict[str, Tensor]:
    return {m: x for m, x in parts.items() if m != modality}


def unimodal_logits(net: Network, values: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    """Modality -> logits of that modality alone."""
    with torch.inference_mode():
        return dict(net(values, masks, spans=spans(net, masks), return_unimodal=True).unimodal_logits)


def used_modalities(net: Network) -> tuple[str, ...]:
    """Modalities that the logits depend on."""
    fusion = net.recipe.fusion
    return FUSIONS.load(fusion.name).Options(**fusion.options).used_modalities(net.recipe.modalities)


def cases() -> list[dict[str, Any]]:
    """Every fusion on a small encoder, and every encoder under late fusion."""
    return [*map(cell_of, FUSIONS.names()), *(cell_of("mean", encoder) for encoder in ENCODERS.names())]


@pytest.mark.parametrize("cell", cases(), ids=lambda cell: f"{cell['encoder']}-{cell['fusion']}")
def test_a_network_accepts_clips_without_a_modality(cell: dict[str, Any]) -> None:
    net = network_of(cell)
    values, masks = inputs(net)
    whole = logits_of(net, values, masks)
    for modality in net.recipe.modalities:
        lost = logits_of(net, without(values, modality), without(masks, modality))
        assert lost.isfinite().all()
        if modality in used_modalities(net):
            assert not torch.equal(lost, whole)
        # One clip of the batch lacks it: its values there do not matter, nor do the other clips.
        gone = {m: x.clone() for m, x in masks.items()}
        gone[modality][1] = False
        junk = {m: x.clone() for m, x in values.items()}
        junk[modality][1] = 0
        mixed = logits_of(net, junk, gone)
        torch.testing.assert_close(mixed[[0, 2]], whole[[0, 2]], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mixed[1], lost[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "product", "weighted"])
@pytest.mark.parametrize("modality", ALL)
def test_late_fusion_leaves_out_absent_modalities(name: str, modality: str) -> None:
    net = network_of(cell_of(name))
    values, masks = inputs(net)
    others = [m for m in ALL if m != modality]
    own = unimodal_logits(net, values, masks)
    with torch.inference_mode():
        one = net({others[0]: values[others[0]]}, {others[0]: masks[others[0]]}).logits.softmax(dim=1)
    torch.testing.assert_close(one, own[others[0]].exp())
    p = logits_of(net, without(values, modality), without(masks, modality)).softmax(dim=1)
    first, second = (own[m].exp() for m in others)
    product = first * second
    expected = product / product.sum(dim=1, keepdim=True) if name == "product" else (first + second) / 2
    torch.testing.assert_close(p, expected)


def test_an_absent_modality_is_uniform_for_a_stacked_classifier() -> None:
    net = network_of(cell_of("stacked"))
    values, masks = inputs(net)
    labels = torch.tensor([0, 1, 2])
    net.fusion.calibrate({m: e.vector for m, e in net.encode(values, masks).items()}, labels)
    own = unimodal_logits(net, values, masks)
    uniform = torch.full((3, 3), 1 / 3).log()
    features = torch.cat([uniform if m == "vision" else own[m] for m in ALL], dim=1)
    lost = logits_of(net, without(values, "vision"), without(masks, "vision"))
    torch.testing.assert_close(lost, features @ net.fusion.weight + net.fusion.bias)


def test_auxformer_leaves_out_the_network_of_an_absent_modality() -> None:
    net = network_of(cell_of("auxformer"))
    values, masks = inputs(net)
    values, masks = without(values, "text"), without(masks, "text")
    with torch.inference_mode():
        output = net(values, masks, return_unimodal=True)
        empty = {"text": torch.zeros(3, 1, 7)}, {"text": torch.zeros(3, 1, dtype=torch.bool)}
        encoded = net.encode({**values, **empty[0]}, {**masks, **empty[1]})
        encoded["text"] = encoded["text"]._replace(sequence=torch.zeros_like(encoded["text"].sequence))
        joint = net.fusion.main(encoded)
    expected = (joint + output.unimodal_logits["audio"] + output.unimodal_logits["vision"]) / 3
    torch.testing.assert_close(output.logits, expected)


@pytest.mark.parametrize("name", FUSIONS.names())
def test_unimodal_logits_depend_on_their_modality_alone(name: str) -> None:
    net = network_of(cell_of(name))
    values, masks = inputs(net)
    before = unimodal_logits(net, values, masks)
    assert list(before) == list(net.recipe.modalities)
    other = inputs(net, seed=1)[0]
    for modality in net.recipe.modalities:
        after = unimodal_logits(net, {**values, modality: other[modality]}, masks)
        for one, logits in after.items():
            assert logits.shape == (3, len(CLASSES))
            if one != modality:
                torch.testing.assert_close(logits, before[one])
        assert modality not in used_modalities(net) or not torch.equal(after[modality], before[modality])


def test_unimodal_logits_of_a_fusion_of_layers_by_default_zero_the_noisy_layers_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = network_of(cell_of("ladder")).train()
    ladder = type(net.fusion)
    own = ladder.unimodal_logits

    def default(fusion: Fusion, *inputs: Any) -> dict[str, Tensor]:
        with monkeypatch.context() as patched:  # its forward pass calls its own
            patched.setattr(ladder, "unimodal_logits", own)
            return Fusion.unimodal_logits(fusion, *inputs)

    monkeypatch.setattr(ladder, "unimodal_logits", default)
    values, masks = inputs(net)
    other = {**values, "vision": inputs(net, seed=1)[0]["vision"]}
    found = []
    for given in (values, other):
        torch.manual_seed(2)  # of the noise
        found.append(net(given, masks, return_unimodal=True).unimodal_logits)
    torch.testing.assert_close(found[1]["audio"], found[0]["audio"])
    assert not torch.equal(found[1]["vision"], found[0]["vision"])


def test_availability() -> None:
    has, some = torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3, dtype=torch.bool)
    assert availability({"audio": has, "vision": has}) == {}
    some[0, 1] = True
    found = availability({"audio": has, "vision": some})
    assert {m: p.tolist() for m, p in found.items()} == {"audio": [True, True], "vision": [True, False]}
    nothing = availability({"audio": some, "vision": some})  # the second clip lacks all: none is left out
    assert {m: p.tolist() for m, p in nothing.items()} == {"audio": [True, True], "vision": [True, True]}


def test_a_network_needs_at_least_one_modality() -> None:
    with pytest.raises(ValueError, match="received none of them"):
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
def test_the_conditions_are_those_of_the_experiment(
    bench: Any, fake: Any, missing: tuple[str, ...], conditions: list[str]
) -> None:
    folder = bench.train(fake.experiment(BOTH, missing=missing))
    table = read_predictions(folder / "predictions.parquet", CLASSES, fold=0, seed=0)
    assert table.groupby(["subset", "condition"]).size().to_dict() == {
        ("val", "full"): 6,
        **{("test", condition): 6 for condition in ["full", *conditions]},
    }


def test_absent_is_the_other_modality_alone_and_masked_is_not(bench: Any, fake: Any) -> None:
    folder = bench.train(fake.experiment(BOTH, missing=("masked", "absent")))
    table = pd.read_parquet(folder / "predictions.parquet").query("subset == 'test'")
    p = table.pivot(index="clip_id", columns="condition", values="p_ANG")
    # Late fusion by the mean: with both modalities, the mean of the probabilities of each alone.
    assert p["full"].to_numpy() == pytest.approx(((p["absent_audio"] + p["absent_vision"]) / 2).to_numpy(), abs=1e-6)
    assert (p["no_audio"] - p["absent_audio"]).abs().max() > 1e-4
