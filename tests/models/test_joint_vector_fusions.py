"""Fusions of vectors with several heads or losses: equalised vectors, probes, joint loss."""

from __future__ import annotations

import re

import torch
from support.fused import THREE, TWO, Fused, drawn
from torch import nn
from torch.nn import functional as F


def parts(fused: Fused) -> set[str]:
    """Names of the MLPs that have parameters."""
    return {re.sub(r"\.\d+\.\w+$", "", name) for name, _ in fused.fusion.named_parameters()}


def test_the_shortest_vector_passes_unchanged() -> None:
    fused, vectors = Fused("equalised", THREE, hidden_dims=()), drawn(THREE)
    assert parts(fused) == {"classifier", "match.mlps.audio", "match.mlps.text"}
    mlp = fused.fusion.match.mlps
    assert [layer.out_features for layer in mlp["audio"] if isinstance(layer, nn.Linear)] == [3, 3]
    joined = torch.cat([mlp["audio"](vectors["audio"]), vectors["vision"], mlp["text"](vectors["text"])], dim=1)
    torch.testing.assert_close(fused(vectors).logits, fused.fusion.classifier(joined), rtol=0, atol=0)
    assert parts(Fused("equalised", THREE, dim=4)) == {"classifier", "match.mlps.audio", "match.mlps.vision"}
    assert parts(Fused("equalised", {"audio": 8, "vision": 8})) == {"classifier"}


def test_the_joint_classifier_has_three_layers() -> None:
    layers = [type(layer) for layer in Fused("equalised", TWO).fusion.classifier]
    assert layers == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]


def test_probes_classify_each_modality_and_have_no_part_in_the_prediction() -> None:
    fused, vectors, labels = Fused("probe", THREE, weight=0.3), drawn(THREE), torch.tensor([2, 1, 0, 2])
    plain = Fused("equalised", THREE)
    state = fused.fusion.state_dict()
    plain.fusion.load_state_dict({n: t for n, t in state.items() if not n.startswith("probes.")})
    output = fused(vectors, labels)
    assert torch.equal(output.logits, plain(vectors).logits)
    assert list(output.losses) == ["probe_audio", "probe_vision", "probe_text"]
    mapped = {**vectors, **{m: fused.fusion.match.mlps[m](vectors[m]) for m in ("audio", "text")}}
    for m in THREE:
        expected = 0.3 * F.cross_entropy(fused.fusion.probes[m](mapped[m]), labels)
        torch.testing.assert_close(output.losses[f"probe_{m}"], expected)
    for vector in vectors.values():
        vector.requires_grad_()
    fused(vectors, labels).losses["probe_audio"].backward()
    assert [m for m, v in vectors.items() if v.grad is not None] == ["audio"]


def test_joint_loss_has_the_four_terms_of_its_definition() -> None:
    weights = {"audio": 1.5, "vision": 0.5, "regulariser": 0.1, "similarity": 0.2}
    fused, vectors, labels = Fused("joint_loss", TWO, **weights), drawn(TWO), torch.tensor([2, 1, 0, 2])
    for vector in vectors.values():
        vector.requires_grad_()
    classifier = fused.fusion.classifier
    output = fused(vectors, labels)
    audio = fused.fusion.match.mlps["audio"](vectors["audio"])
    squares = sum(layer.weight.square().sum() for layer in classifier if isinstance(layer, nn.Linear))
    expected = {
        "audio": 1.5 * F.cross_entropy(classifier(audio), labels),
        "vision": 0.5 * F.cross_entropy(classifier(vectors["vision"]), labels),
        "regulariser": 0.1 * squares / 2,
        "similarity": 0.2 * F.mse_loss(audio, vectors["vision"]),
    }
    assert list(output.losses) == list(expected)
    for name, loss in expected.items():
        torch.testing.assert_close(output.losses[name], loss)
    learned = [*fused.fusion.parameters(), *vectors.values()]
    in_training = F.cross_entropy(output.logits, labels) + sum(output.losses.values())
    for got, wanted in zip(
        torch.autograd.grad(in_training, learned, retain_graph=True),
        torch.autograd.grad(sum(expected.values()), learned),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


def test_joint_loss_predicts_by_the_mean_or_by_the_first() -> None:
    fused, vectors = Fused("joint_loss", THREE, dim=3), drawn(THREE)
    mapped = {**vectors, **{m: fused.fusion.match.mlps[m](vectors[m]) for m in ("audio", "text")}}
    each = {m: torch.softmax(fused.fusion.classifier(v), dim=1) for m, v in mapped.items()}
    torch.testing.assert_close(fused(vectors).logits.exp(), sum(each.values()) / 3)
    two = {m: vectors[m] for m in ("audio", "vision")}
    torch.testing.assert_close(fused(two).logits.exp(), (each["audio"] + each["vision"]) / 2)
    first = Fused("joint_loss", THREE, dim=3, predict="first")
    torch.testing.assert_close(first(vectors).logits.exp(), each["audio"])
    labels = torch.tensor([0, 1, 2, 0])
    assert list(first(vectors, labels).losses) == list(fused(vectors, labels).losses) == list(THREE)
    assert first.options.used_modalities(tuple(THREE)) == ("audio",)
    assert fused.options.used_modalities(tuple(THREE)) == tuple(THREE)


def test_mappings_that_agree_are_similar() -> None:
    fused = Fused("joint_loss", {"audio": 4, "vision": 4, "text": 4}, similarity=1.0)
    same = dict.fromkeys(("audio", "vision", "text"), torch.ones(2, 4, dtype=torch.float64))
    labels = torch.tensor([0, 1])
    assert fused(same, labels).losses["similarity"] == 0
    apart = {**same, "text": same["text"] + 3}
    torch.testing.assert_close(fused(apart, labels).losses["similarity"].item(), 2 / 3 * 9)
