"""Contract of an encoder: declaration, shapes, gradients, and vectors that do not depend on batch or padding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from affectstore.models.modules import Encoded, Encoder, NoisyEncoder
from affectstore.models.spec import INPUT_AXES, OUTPUT_AXES, ClipShape, ImageShape, SequenceShape, Shape
from affectstore.testing.batches import (
    NUM_CLASSES,
    evaluated,
    parameters_without_gradient,
    random_inputs,
    select_clip,
)
from affectstore.testing.declaration import DeclarationContract

_SHAPES: dict[str, Shape] = {
    "image": ImageShape(channels=2, height_px=32, width_px=48),
    "clip": ClipShape(channels=2, height_px=32, width_px=48, frames=5),
    "sequence": SequenceShape(dim=7),
}


class EncoderContract(DeclarationContract):
    """Tests of an encoder: inherit it, and set `member` to the encoder's module.

        class TestMyEncoder(EncoderContract):
            member = my_encoder
            options = {"hidden_dim": 8}

    Attributes:
        member: Module with `SPEC`, `Options` and `build`.
        options: Options of a small encoder without dropout.
    """

    @pytest.fixture
    def shape(self, declared: Any) -> Shape:
        """Shape of the inputs; override it for an encoder that reads no images of 32 x 48 px."""
        return _SHAPES[declared.SPEC.input_kind]

    @pytest.fixture
    def encoder(self, declared: Any, small_options: Any, shape: Shape) -> Encoder:
        """A newly initialised encoder with the small options."""
        return _build(declared, shape, small_options)

    def test_the_spec_names_kinds_and_paper(self, declared: Any, small_options: Any, shape: Shape) -> None:
        """Kinds are known ones, and the default encoder starts from random weights and accepts its inputs."""
        assert declared.SPEC.input_kind in INPUT_AXES
        assert declared.SPEC.output_kind in OUTPUT_AXES
        assert declared.SPEC.paper
        assert declared.Options().pretrained_source == "random"
        assert declared.Options().pretrained_digest() is None
        for options in (declared.Options(), small_options):
            assert options.problem(shape) is None
            assert declared.Options(**options.resolved().model_dump(mode="json")) == options.resolved()

    def test_outputs_have_the_declared_kind_and_shape(self, declared: Any, small_options: Any, shape: Shape) -> None:
        """Vector, sequence and layers are those of `SPEC.output_kind`, at the default size too."""
        spec = declared.SPEC
        size, steps = ((4, shape.dim), 4) if isinstance(shape, SequenceShape) else (shape.size, 1)
        steps = shape.frames if isinstance(shape, ClipShape) else steps
        for options in (declared.Options(), small_options):
            with torch.device("meta"):  # shapes only: the full sizes cost nothing
                encoder = declared.build(shape, options)
                encoded = encoder(torch.zeros(2, *size), torch.ones(2, steps, dtype=torch.bool))
            assert isinstance(encoder, NoisyEncoder if spec.outputs("layers") else Encoder)
            assert isinstance(encoded, Encoded)
            assert encoded.vector.shape == (2, encoder.output_dim)
            assert (encoded.sequence is not None) == spec.outputs("sequence")
            if encoded.sequence is not None:
                assert encoded.sequence.shape == (2, 4, encoder.output_dim)
            assert [layer.shape for layer in encoded.layers] == [(2, 4, encoder.output_dim)] * len(encoded.layers)
            assert len(encoded.layers) == (options.depth if spec.outputs("layers") else 0)

    def test_every_parameter_has_a_gradient(self, encoder: Encoder, shape: Shape) -> None:
        """A loss of the vector reaches all parameters but the declared `unused_parameters`."""
        values, mask = random_inputs(shape)
        head = torch.randn(encoder.output_dim, NUM_CLASSES, generator=torch.Generator().manual_seed(1))
        labels = torch.arange(len(values)) % NUM_CLASSES

        def loss() -> torch.Tensor:
            return F.cross_entropy(encoder(values, mask).vector @ head, labels)

        without = parameters_without_gradient(encoder, loss)
        unused = {name for name, _ in encoder.named_parameters() if name.startswith(encoder.unused_parameters)}
        assert without == unused

    def test_the_input_changes_the_vector_and_stays_as_it_is(self, encoder: Encoder, shape: Shape) -> None:
        """Other values give other vectors, and the encoder writes into neither values nor mask."""
        values, mask = random_inputs(shape)
        before = values.clone(), mask.clone()
        encoder = evaluated(encoder, lambda: encoder(*random_inputs(shape, clips=8, seed=1)))
        with torch.no_grad():
            vectors = encoder(values, mask).vector
            assert torch.equal(values, before[0])
            assert torch.equal(mask, before[1])
            others = encoder(*random_inputs(shape, seed=2)).vector
        assert not torch.isclose(vectors, others).all(dim=1).any()

    def test_a_clip_is_encoded_alike_alone_and_in_any_batch(self, encoder: Encoder, shape: Shape) -> None:
        """Outputs of a clip depend neither on the other clips of its batch nor on its padding."""
        encoder = evaluated(encoder, lambda: encoder(*random_inputs(shape, clips=8, seed=1))).double()
        values, mask = random_inputs(shape)
        values = values.double()  # so that only rounding errors are tolerated
        with torch.no_grad():
            together = encoder(values, mask)
            for clip in range(len(values)):
                for padding in (0, 3) if isinstance(shape, SequenceShape) else (0,):
                    one = values[clip : clip + 1], mask[clip : clip + 1]
                    if isinstance(shape, SequenceShape):
                        one = select_clip(values, mask, clip, padding)
                    alone = encoder(*one)
                    torch.testing.assert_close(alone.vector[0], together.vector[clip], rtol=1e-6, atol=1e-9)
                    if alone.sequence is not None:
                        steps = int(mask[clip].sum())
                        expected = together.sequence[clip, :steps]
                        torch.testing.assert_close(alone.sequence[0, :steps], expected, rtol=1e-6, atol=1e-9)
                        assert not together.sequence[~together.mask].any(), "padding is not zero"

    def test_parameters_follow_from_the_seed(self, declared: Any, small_options: Any, shape: Shape) -> None:
        """The same seed gives the same parameters, and another one gives others."""
        first, again, other = (_build(declared, shape, small_options, seed).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(value, again[name]) for name, value in first.items())
        assert not all(torch.equal(value, other[name]) for name, value in first.items())

    def test_the_state_is_complete(self, declared: Any, small_options: Any, shape: Shape) -> None:
        """An encoder that loads the state of another one encodes alike."""
        encoder = _build(declared, shape, small_options, seed=0)
        encoder = evaluated(encoder, lambda: encoder(*random_inputs(shape, clips=8, seed=1)))
        other = _build(declared, shape, small_options, seed=1).eval()
        other.load_state_dict(encoder.state_dict())
        with torch.no_grad():
            vectors = [one(*random_inputs(shape)).vector for one in (encoder, other)]
        assert torch.equal(*vectors)


def _build(declared: Any, shape: Shape, options: Any, seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    encoder: Encoder = declared.build(shape, options)
    return encoder
