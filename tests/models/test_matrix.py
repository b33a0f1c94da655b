"""The matrix of encoders and fusions, and experiments that request all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from affectstore.cli.main import main
from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.cells.expand import expand
from affectstore.models.cells.validate import cell_problem
from affectstore.models.spec import ENCODERS, FUSIONS
from affectstore.reference.matrix import Matrix, matrix


def expanded(**settings: Any) -> Experiment:
    experiment = Experiment(title="t", corpus="synthetic", **settings)
    config = Config(corpora={}, features={}, experiments=())
    return expand(Resolved(config, {"all": experiment}, {}, {})).experiments["all"]


def count_valid(found: Matrix, fusions: set[str]) -> int:
    """Number of valid pairs with these fusions."""
    return sum((e, f) not in found.problems for e in found.encoders for f in found.fusions if f in fusions)


def test_every_pair_is_valid_or_has_a_reason_that_names_both():
    found = matrix()
    assert set(found.encoders) == set(ENCODERS.names())
    assert set(found.fusions) == set(FUSIONS.names())
    assert found.num_pairs == len(found.encoders) * len(found.fusions)
    assert found.num_valid == count_valid(found, set(found.fusions)) > 0
    for (encoder, fusion), reason in found.problems.items():
        assert repr(encoder) in reason
        assert repr(fusion) in reason
    assert ("resnet18", "channel") not in found.problems
    assert ("blstm", "concat") not in found.problems
    assert "no such axis" in found.problems["blstm", "channel"]
    assert "outputs 'vector'" in found.problems["resnet18", "crossmodal"]


def test_it_is_printed_and_plotted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["matrix", "--figure", str(tmp_path / "matrix.svg")]) == 0
    text = capsys.readouterr().out
    assert f"{matrix().num_valid} of {matrix().num_pairs} pairs can be trained" in text
    assert "<svg" in (tmp_path / "matrix.svg").read_text()
    assert main(["matrix", "--markdown"]) == 0
    page = capsys.readouterr().out
    row = next(line for line in page.splitlines() if line.startswith("| `channel` |"))
    assert row.count("| x") == count_valid(matrix(), {"channel"})


def test_all_encoders_and_fusions_are_every_valid_cell():
    experiment = expanded(encoders="all", fusions="all")
    assert all(cell_problem(experiment, cell) is None for cell in experiment.cells)
    fused = [cell for cell in experiment.cells if cell.fusion]
    of_words = {fusion for fusion in FUSIONS.names() if FUSIONS.load(fusion).SPEC.words}
    assert {cell.fusion for cell in fused} == set(FUSIONS.names()) - of_words
    assert len(fused) == count_valid(matrix(), set(FUSIONS.names()) - of_words)
    assert len(experiment.cells) - len(fused) == 2 * len(ENCODERS.names())


def test_encoders_without_a_feature_are_left_out_of_all_and_named_when_named():
    inputs = {"audio": {"image": "mel_image"}, "vision": {"image": "faces"}}
    cells = expanded(encoders="all", fusions=("concat", "channel"), inputs=inputs).cells
    assert {ENCODERS.load(cell.encoder).SPEC.input_kind for cell in cells} == {"image"}
    experiment = expanded(encoders=("simple3d",), inputs=inputs)
    assert "`inputs.audio` names a feature only for: image" in str(cell_problem(experiment, experiment.cells[0]))
    with pytest.raises(ConfigError, match="make no cell"):
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
