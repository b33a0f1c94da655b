"""Contract of a fusion that joins the inputs of all modalities before one encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from affectstore.models.modules import InputFusion
from affectstore.models.spec import INPUT_AXES, ClipShape
from affectstore.testing.declaration import DeclarationContract

_SHAPES = dict.fromkeys(("audio", "vision"), ClipShape(channels=3, frames=4, height_px=8, width_px=10))


class InputFusionContract(DeclarationContract):
    """Tests of a fusion of inputs: inherit it, and set `member` to the fusion's module.

    Attributes:
        member: Module with `SPEC`, `Options` and `build`.
        options: Options that the tests use.
    """

    @pytest.fixture
    def values(self) -> dict[str, Tensor]:
        """Modality -> random clips of images (clip, channel, frame, height, width)."""
        generator = torch.Generator().manual_seed(0)
        return {m: torch.randn(2, *shape.size, generator=generator) for m, shape in _SHAPES.items()}

    @pytest.fixture
    def joined(self, declared: Any, small_options: Any, values: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Joined values and mask."""
        masks = {m: torch.ones(2, 4, dtype=torch.bool) for m in values}
        masks["audio"][1, 2:] = False
        joined: tuple[Tensor, Tensor] = declared.build(small_options)(values, masks)
        return joined

    def test_the_spec_names_axis_and_paper(self, declared: Any, small_options: Any) -> None:
        """`SPEC` names the axis, and the module is a fusion of inputs."""
        assert declared.SPEC.paper
        assert declared.SPEC.needs == "inputs"
        assert declared.SPEC.axis in INPUT_AXES["clip"]
        assert declared.SPEC.words is None
        assert isinstance(declared.build(small_options), InputFusion)

    def test_the_joined_input_has_the_declared_shape(
        self, small_options: Any, values: dict[str, Tensor], joined: tuple[Tensor, Tensor]
    ) -> None:
        """Joined inputs have the shape that `Options.join_shapes` states."""
        expected = small_options.join_shapes(_SHAPES)
        assert joined[0].shape[1:] == expected.size
        assert joined[1].shape == (2, expected.frames)

    def test_vision_is_unchanged_at_the_end_of_the_axis(
        self, declared: Any, values: dict[str, Tensor], joined: tuple[Tensor, Tensor]
    ) -> None:
        """The last modality is unchanged; those before it may be changed to fit beside it."""
        axis = INPUT_AXES["clip"].index(declared.SPEC.axis)
        length = joined[0].shape[axis] - values["vision"].shape[axis]
        assert torch.equal(joined[0].tensor_split([length], dim=axis)[1], values["vision"])
