"""Every encoder of models/encoders/ keeps the contract of encoders; a new one is tested by being there."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_networks import small

from affectstore.models.spec import ENCODERS
from affectstore.testing.encoder import EncoderContract


class TestEncoders(EncoderContract):
    """Contract of all encoders."""

    @pytest.fixture(params=ENCODERS.names())
    def declared(self, request: pytest.FixtureRequest) -> Any:
        """Declaration of one encoder."""
        return ENCODERS.load(request.param)

    @pytest.fixture
    def small_options(self, declared: Any) -> Any:
        """Options of a small encoder."""
        return declared.Options(**small(declared.name))
