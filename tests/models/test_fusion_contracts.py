"""Every fusion of models/fusions/ keeps the contract of fusions; a new one is tested by being there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.model_cells import pair
from support.small_networks import small_fusion

from affectstore.models.cells.validate import pair_problem
from affectstore.models.spec import ENCODERS, FUSIONS, INPUT_AXES
from affectstore.testing.fusion import FusionContract
from affectstore.testing.input_fusion import InputFusionContract

INPUT_FUSIONS = [name for name in FUSIONS.names() if FUSIONS.load(name).SPEC.needs == "inputs"]


class TestFusions(FusionContract):
    """Contract of all fusions of encoded modalities."""

    @pytest.fixture(params=sorted({*FUSIONS.names()} - {*INPUT_FUSIONS}))
    def declared(self, request: pytest.FixtureRequest) -> Any:
        """Declaration of one fusion."""
        return FUSIONS.load(request.param)

    @pytest.fixture
    def small_options(self, declared: Any) -> Any:
        """Options of a small fusion."""
        return declared.Options(**small_fusion(declared.name))


class TestInputFusions(InputFusionContract):
    """Contract of all fusions of inputs."""

    @pytest.fixture(params=INPUT_FUSIONS)
    def declared(self, request: pytest.FixtureRequest) -> Any:
        """Declaration of one fusion."""
        return FUSIONS.load(request.param)

    def test_audio_is_unchanged_too(self, declared: Any, values: Any, joined: Any) -> None:
        """Audio is before vision as it was, but where it is replicated."""
        length = values["audio"].shape[axis := INPUT_AXES["clip"].index(declared.SPEC.axis)]
        audio = joined[0].narrow(axis, 0, min(length, joined[0].shape[axis]))
        assert declared.name == "replicated" or torch.equal(audio, values["audio"])


@pytest.mark.parametrize("name", FUSIONS.names())
def test_a_fusion_fits_some_encoder(name: str) -> None:
    assert any(pair_problem(dict.fromkeys(pair(name), encoder), name) is None for encoder in ENCODERS.names())
