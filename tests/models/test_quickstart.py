"""The quickstart: enough encoders with enough fusions, and every cell can be trained."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.models.cells.expand import expand
from affectstore.models.cells.inputs import input_features
from affectstore.models.cells.validate import cell_problem
from affectstore.models.spec import ENCODERS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def config() -> Config:
    return Config(**yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def quickstart(config: Config) -> Experiment:
    (name,) = config.experiments
    given = Experiment(**yaml.safe_load((ROOT / f"workflow/experiments/{name}.yaml").read_text(encoding="utf-8")))
    return expand(Resolved(config, {name: given}, {}, {})).experiments[name]


def test_at_least_five_encoders_have_the_same_five_fusions(quickstart: Experiment) -> None:
    fusions = defaultdict(set)
    for cell in quickstart.cells:
        if cell.fusion is not None:
            fusions[cell.encoder].add(cell.fusion)
    full = {encoder: found for encoder, found in fusions.items() if len(found) >= 5}
    assert len(full) >= 5
    assert len(set.intersection(*full.values())) >= 5


def test_every_encoder_has_a_cell_of_each_modality_alone(quickstart: Experiment) -> None:
    cells = {(cell.encoder, cell.modalities) for cell in quickstart.cells if cell.encoder is not None}
    for encoder in {encoder for encoder, _ in cells}:
        assert {(encoder, ("audio",)), (encoder, ("vision",))} <= cells
    joined = {cell.modalities for cell in quickstart.cells if cell.baseline is not None}
    assert {("audio",), ("audio", "vision")} <= joined


def test_images_and_fusions_of_inputs_are_among_them(quickstart: Experiment) -> None:
    kinds = {ENCODERS.load(cell.encoder).SPEC.input_kind for cell in quickstart.cells if cell.encoder is not None}
    assert kinds >= {"image", "sequence"}
    assert {"channel", "horizontal"} <= {cell.fusion for cell in quickstart.cells}


def test_every_cell_can_be_trained_on_the_embedded_corpus(quickstart: Experiment, config: Config) -> None:
    assert quickstart.corpus == "synthetic"
    for cell in quickstart.cells:
        assert cell_problem(quickstart, cell) is None, cell.id
        assert set(input_features(quickstart, cell).values()) <= set(config.features)
