"""The joint architectures of document 004: concatenation with an MLP, and the rows in docs/protocols.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml
from support.fused import THREE, TWO, Fused, count, drawn, linear
from torch import nn
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.fusions.concat import Concat, Options
from affectstore.models.network import Network

PAGE = Path(__file__).parents[2] / "docs/protocols.md"
FLATTENED = {"audio": 1280, "vision": 6272}
MFCC, PAIRS = "seed-004.mfcc", "seed-004.frame_pairs"


def test_without_hidden_layers_it_is_the_one_linear_layer() -> None:
    torch.manual_seed(3)
    expected = nn.Linear(8, 3)
    torch.manual_seed(3)
    fusion = Concat(TWO, 3, Options())
    assert {n: p.tolist() for n, p in fusion.state_dict().items()} == {
        f"classifier.{n}": p.tolist() for n, p in expected.state_dict().items()
    }


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
def test_hidden_layers_are_a_plain_mlp_on_the_joined_vectors(sizes: dict[str, int]) -> None:
    fused, vectors = Fused("concat", sizes, hidden_dims=(7, 4)), drawn(sizes)
    joined = torch.cat(list(vectors.values()), dim=1)
    for name in ("0", "2", "4"):
        weight, bias = fused[f"classifier.{name}"]
        joined = joined @ weight.T + bias
        joined = joined.clamp(min=0) if name != "4" else joined
    torch.testing.assert_close(fused(vectors).logits, joined)
    F.cross_entropy(fused(vectors).logits, torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad.abs().sum() > 0 for p in fused.fusion.parameters())
    assert count("concat", FLATTENED, 8, hidden_dims=(128, 64)) == linear(7552, 128) + linear(128, 64) + linear(64, 8)


def test_logits_of_a_modality_alone_are_those_with_zeros_for_the_others() -> None:
    fused, vectors = Fused("concat", THREE, hidden_dims=(6,)), drawn(THREE)
    own = fused.alone(vectors)
    assert list(own) == list(THREE)
    for modality, logits in own.items():
        alone = {m: v if m == modality else v * 0 for m, v in vectors.items()}
        torch.testing.assert_close(logits, fused(alone).logits)
        others = {m: v if m == modality else v + 1 for m, v in vectors.items()}
        torch.testing.assert_close(fused.alone(others)[modality], logits)


def test_the_rows_of_the_page_are_those_of_the_study() -> None:
    section = re.split(r"## The joint architectures of \w+ 004", PAGE.read_text())[1]
    rows = yaml.safe_load(section.split("```yaml")[1].split("```")[0])
    experiment = Experiment(title="t", corpus="ravdess", **rows)
    assert [cell_problem(experiment, cell) for cell in experiment.cells] == [None] * len(rows["cells"])
    networks = {}
    for cell in experiment.cells:
        with torch.device("meta"):
            networks[cell.id] = Network(recipe_for(experiment, cell, tuple("abcdefgh"), {MFCC: 40}))
    joint = {name: net.fusion for name, net in networks.items() if name.startswith("architecture")}
    assert sorted(joint) == [f"architecture-{k}" for k in range(5)]
    inputs = {name: next(m for m in net.modules() if isinstance(m, nn.Linear)) for name, net in joint.items()}
    assert inputs["architecture-1"].in_features == 1280 + 6272
    assert inputs["architecture-2"].in_features == 128 + 6272
    assert inputs["architecture-3"].in_features == 6272  # the MLP that shortens the longer one
    for name in ("architecture-1", "architecture-2"):
        assert [m.out_features for m in joint[name].modules() if isinstance(m, nn.Linear)] == [128, 64, 8]
    for name in ("architecture-3", "architecture-4", "architecture-0"):
        classifier = joint[name].classifier
        assert [m.out_features for m in classifier.modules() if isinstance(m, nn.Linear)] == [128, 64, 8]
    assert {re.split(r"\.\d", n)[0] for n, _ in joint["architecture-4"].named_parameters()} == {
        "match.mlps.vision",
        "classifier",
        "probes.audio",
        "probes.vision",
    }
