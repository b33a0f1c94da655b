"""Every file of models/losses/ keeps the contract of losses, and networks are trained with it.

A new file is tested by being there. The cross-entropy against a written-out formula: test_training_options.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from affectstore.models.cells.validate import cell_problem
from affectstore.models.spec import LOSSES
from affectstore.models.training.saved_model import load_model
from affectstore.testing.loss import LossContract

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "probe"}
every = pytest.mark.parametrize("name", LOSSES.names())


class TestLosses(LossContract):
    """Contract of all losses."""

    @pytest.fixture(params=LOSSES.names())
    def declared(self, request: pytest.FixtureRequest) -> Any:
        """Declaration of one loss."""
        return LOSSES.load(request.param)


@every
def test_label_smoothing_is_refused_where_the_loss_has_none(name: str, fake: Any) -> None:
    experiment = fake.experiment(AUDIO, train={"loss": name, "label_smoothing": 0.1})
    reason = cell_problem(experiment, experiment.cells[0])
    if not LOSSES.load(name).SPEC.label_smoothing:
        assert reason == f"`label_smoothing` has no meaning for loss {name!r}; leave it out"
        return
    assert reason is None


@every
def test_unknown_options_are_refused_before_any_job(name: str, fake: Any) -> None:
    experiment = fake.experiment(AUDIO, train={"loss": name, "loss_options": {"no_such_option": 1}})
    reason = str(cell_problem(experiment, experiment.cells[0]))
    assert f"options of loss {name!r}" in reason
    assert "no_such_option: unknown key" in reason
    experiment = fake.experiment(AUDIO, train={"loss": name + "x"})
    assert f"Did you mean {name!r}?" in str(cell_problem(experiment, experiment.cells[0]))


@every
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_networks_are_trained_with_it(class_weights: str, name: str, bench: Any, fake: Any) -> None:
    """Auxiliary losses, mixed labels and half precision included."""
    train = {"loss": name, "class_weights": class_weights, "batch_size": 5, "epochs": 2, "learning_rate": 1e-2}
    train |= {"tricks": {"mixup": {}}, "precision": "bf16-mixed"}
    train |= {"label_smoothing": 0.1} if LOSSES.load(name).SPEC.label_smoothing else {}
    experiment = fake.experiment(BOTH, train=train)
    assert cell_problem(experiment, experiment.cells[0]) is None
    folder = bench.train(experiment)
    history = pd.read_csv(folder / "history.csv")
    columns = ["train_loss", "train_loss_probe_audio", "train_loss_probe_vision", "val_loss"]
    assert (history[columns] > 0).all(axis=None)
    assert np.isfinite(history[columns]).all(axis=None)
    network, _ = load_model(folder)
    assert all(value.isfinite().all() for value in network.state_dict().values())
