"""The joint architectures of seed 004: concatenation with an MLP, and the rows that the page of protocols shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from fused import THREE, TWO, Fused, count, drawn, linear
from torch import nn
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.models.base import FUSIONS
from affectstore.models.check import check_cell
from affectstore.models.network import Network
from affectstore.models.recipe import recipe_of

PAGE = Path(__file__).parents[2] / "docs/protocols.md"
FLATTENED = {"audio": 1280, "vision": 6272}
MFCC, PAIRS = "seed-004.mfcc", "seed-004.frame_pairs"


def test_without_hidden_layers_it_is_the_one_linear_layer() -> None:
    torch.manual_seed(3)
    expected = nn.Linear(8, 3)
    torch.manual_seed(3)
    module = FUSIONS.load("concat")
    layer = module.weights(TWO, 3, module.Options())
    assert {n: p.tolist() for n, p in layer.state_dict().items()} == {
        n: p.tolist() for n, p in expected.state_dict().items()
    }


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
def test_hidden_layers_are_a_plain_mlp_on_the_joined_vectors(sizes: dict[str, int]) -> None:
    fused, vectors = Fused("concat", sizes, hidden=(7, 4)), drawn(sizes)
    joined = torch.cat(list(vectors.values()), dim=1)
    for name in ("0", "2", "4"):
        weight, bias = fused[name]
        joined = joined @ weight.T + bias
        joined = joined.clamp(min=0) if name != "4" else joined
    torch.testing.assert_close(fused(vectors).logits, joined)
    F.cross_entropy(fused(vectors).logits, torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad.abs().sum() > 0 for p in fused.weights.parameters())
    assert count("concat", FLATTENED, 8, hidden=(128, 64)) == linear(7552, 128) + linear(128, 64) + linear(64, 8)


def test_a_modality_alone_is_what_the_mlp_makes_of_it_beside_zeros() -> None:
    fused, vectors = Fused("concat", THREE, hidden=(6,)), drawn(THREE)
    own = fused.module.scores(fused.weights, vectors, fused.options)
    assert list(own) == list(THREE)
    for modality, logits in own.items():
        alone = {m: v if m == modality else v * 0 for m, v in vectors.items()}
        torch.testing.assert_close(logits, fused(alone).logits)
        others = {m: v if m == modality else v + 1 for m, v in vectors.items()}
        torch.testing.assert_close(fused.module.scores(fused.weights, others, fused.options)[modality], logits)


def test_the_rows_of_the_page_are_the_studys() -> None:
    section = PAGE.read_text().split("## The joint architectures of seed 004")[1]
    rows = yaml.safe_load(section.split("```yaml")[1].split("```")[0])
    experiment = Experiment(title="t", corpus="ravdess", **rows)
    assert [check_cell(experiment, cell) for cell in experiment.cells] == [""] * len(rows["cells"])
    networks = {}
    for cell in experiment.cells:
        with torch.device("meta"):
            networks[cell.id] = Network(recipe_of(experiment, cell, tuple("abcdefgh"), {MFCC: 40}))
    joint = {name: net.fusion for name, net in networks.items() if name.startswith("architecture")}
    assert sorted(joint) == [f"architecture-{k}" for k in range(5)]
    inputs = {name: next(m for m in net.modules() if isinstance(m, nn.Linear)) for name, net in joint.items()}
    assert inputs["architecture-1"].in_features == 1280 + 6272
    assert inputs["architecture-2"].in_features == 128 + 6272
    assert inputs["architecture-3"].in_features == 6272  # the equaliser of the longer one
    for name in ("architecture-1", "architecture-2"):
        assert [m.out_features for m in joint[name].modules() if isinstance(m, nn.Linear)] == [128, 64, 8]
    for name in ("architecture-3", "architecture-4", "architecture-0"):
        assert [m.out_features for m in joint[name]["classify"].modules() if isinstance(m, nn.Linear)] == [128, 64, 8]
    assert {n.split(".")[0] for n, _ in joint["architecture-4"].named_parameters()} == {
        "equal_vision",
        "classify",
        "probe_audio",
        "probe_vision",
    }
