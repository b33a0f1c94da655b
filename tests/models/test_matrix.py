"""The matrix of encoders and fusions, and experiments that ask for all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from affectstore.cli.main import main
from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.base import ENCODERS, FUSIONS
from affectstore.models.check import check_cell
from affectstore.models.expand import expand
from affectstore.models.matrix import matrix


def expanded(**settings: Any) -> Experiment:
    experiment = Experiment(title="t", corpus="synthetic", **settings)
    config = Config(corpora={}, features={}, experiments=())
    return expand(Resolved(config, {"all": experiment}, {}, {})).experiments["all"]


def test_every_pair_is_valid_or_has_a_reason_that_names_both():
    found = matrix()
    assert set(found.encoders) == set(ENCODERS.names())
    assert set(found.fusions) == set(FUSIONS.names())
    assert len(found.reasons) == len(found.encoders) * len(found.fusions)
    for (encoder, fusion), reason in found.reasons.items():
        assert not reason or (repr(encoder) in reason and repr(fusion) in reason)
    assert found.reasons["resnet18", "channel"] == ""
    assert found.reasons["blstm", "concat"] == ""
    assert "no such axis" in found.reasons["blstm", "channel"]
    assert "gives 'vector'" in found.reasons["resnet18", "crossmodal"]


def test_it_is_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["matrix", "--picture", str(tmp_path / "matrix.svg")]) == 0
    text = capsys.readouterr().out
    assert f"{matrix().valid} of {len(matrix().reasons)} pairs can be trained" in text
    assert "<svg" in (tmp_path / "matrix.svg").read_text()
    assert main(["matrix", "--markdown"]) == 0
    page = capsys.readouterr().out
    row = next(line for line in page.splitlines() if line.startswith("| `channel` |"))
    assert row.count("| x") == sum(not r for (_, f), r in matrix().reasons.items() if f == "channel")


def test_all_encoders_and_fusions_are_every_valid_cell():
    experiment = expanded(encoders="all", fusions="all")
    assert all(check_cell(experiment, cell) == "" for cell in experiment.cells)
    fused = [cell for cell in experiment.cells if cell.fusion]
    of_words = {fusion for fusion in FUSIONS.names() if FUSIONS.load(fusion).SPEC.words}
    assert {cell.fusion for cell in fused} == set(FUSIONS.names()) - of_words
    assert len(fused) == sum(not r for (_, fusion), r in matrix().reasons.items() if fusion not in of_words)
    assert len(experiment.cells) - len(fused) == 2 * len(ENCODERS.names())


def test_encoders_without_a_feature_are_left_out_of_all_and_named_when_named():
    inputs = {"audio": {"image": "mel_image"}, "vision": {"image": "faces"}}
    cells = expanded(encoders="all", fusions=("concat", "channel"), inputs=inputs).cells
    assert {ENCODERS.load(cell.encoder).SPEC.takes for cell in cells} == {"image"}
    experiment = expanded(encoders=("simple3d",), inputs=inputs)
    assert "`inputs.audio` names a feature only for: image" in check_cell(experiment, experiment.cells[0])
    with pytest.raises(ConfigError, match="give no cell"):
        expanded(encoders="all", inputs={"audio": {}, "vision": {}})


def test_own_cells_stay_first_and_are_not_made_twice():
    own = {"modalities": ["audio"], "encoder": "resnet18", "train": {"epochs": 3}}
    experiment = expanded(cells=[own], encoders=["resnet18"], fusions=["channel"])
    assert [cell.id for cell in experiment.cells] == [
        "resnet18-audio",
        "resnet18-vision",
        "resnet18-multimodal-channel",
    ]
    assert experiment.training_of(experiment.cells[0]).epochs == 3


def test_unknown_names_list_the_known():
    with pytest.raises(
        UnknownNameError, match=r"unknown fusion in `fusions` 'concatt'; known: .*Did you mean 'concat'"
    ):
        expanded(encoders=["resnet18"], fusions=["concatt"])
