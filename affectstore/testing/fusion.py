"""Contract of a fusion of vectors, sequences or layers: shapes, gradients, independence of batch and padding."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import pytest
import torch
from torch.nn import functional as F

from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import OUTPUT_AXES
from affectstore.testing.batches import (
    NUM_CLASSES,
    parameters_without_gradient,
    random_encoded,
    select_encoded,
)
from affectstore.testing.declaration import DeclarationContract

_LAYERS = 2
_LABELS = torch.tensor([0, 1, 2, 0])


class FusionContract(DeclarationContract):
    """Tests of a fusion of encoded modalities: inherit it, and set `member` to the fusion's module.

        class TestMyFusion(FusionContract):
            member = my_fusion
            options = {"hidden_dim": 8}

    Attributes:
        member: Module with `SPEC`, `Options` and `build`.
        options: Options of a small fusion without dropout.
        dims: Modality -> length of its encoder's vector and steps.
    """

    dims: ClassVar[dict[str, int]] = {"audio": 6, "vision": 4}

    @pytest.fixture
    def encoded(self, declared: Any) -> dict[str, Encoded]:
        """Encoded modalities of four clips, in double precision."""
        spec = declared.SPEC
        dims = self.dims if spec.words in (None, *self.dims) else {"audio": 6, spec.words: 4}
        layers = _LAYERS if spec.needs == "layers" else 0
        return random_encoded(dims, layers, spec.words)

    @pytest.fixture
    def fusion(self, declared: Any, small_options: Any, encoded: dict[str, Encoded]) -> Fusion:
        """A newly initialised fusion in double precision."""
        return _build(declared, small_options, encoded)

    def test_the_spec_fits_the_module(self, declared: Any, small_options: Any) -> None:
        """`SPEC` states what the fusion needs, and the module agrees with it."""
        spec = declared.SPEC
        assert spec.paper
        assert spec.needs in OUTPUT_AXES
        assert spec.axis is None
        assert spec.words is None or spec.needs in ("sequence", "layers")
        modalities = tuple(self.dims) if spec.words is None else ("audio", spec.words)
        dims = dict.fromkeys(modalities, (6,) * _LAYERS if spec.needs == "layers" else 6)
        fusion = declared.build(dims, NUM_CLASSES, small_options)
        assert isinstance(fusion, Fusion)
        assert (fusion.noise is not None) == (spec.needs == "layers")
        assert (type(fusion).calibrate is not Fusion.calibrate) == spec.calibrates
        assert set(small_options.used_modalities(modalities)) <= set(modalities)

    def test_every_parameter_has_a_gradient(self, fusion: Fusion, encoded: dict[str, Encoded]) -> None:
        """Logits are (clip, class), and the loss with its auxiliary losses reaches all parameters."""

        def loss() -> torch.Tensor:
            output = _run(fusion, encoded, train=True)
            assert output.logits.shape == (len(_LABELS), NUM_CLASSES)
            return F.cross_entropy(output.logits, _LABELS) + sum(output.losses.values())

        assert parameters_without_gradient(fusion, loss) == set()

    def test_every_used_modality_changes_the_logits(
        self, fusion: Fusion, small_options: Any, encoded: dict[str, Encoded]
    ) -> None:
        """Logits depend on the modalities that `Options.used_modalities` names, and on no other."""
        fusion.eval()
        before = _run(fusion, encoded).logits
        for modality, one in encoded.items():
            changed = {**encoded, modality: one.map(lambda x: x * 1.5 + (x != 0))}
            used = modality in small_options.used_modalities(tuple(encoded))
            assert torch.equal(_run(fusion, changed).logits, before) != used, modality

    def test_a_clip_is_fused_alike_alone_and_in_any_batch(self, fusion: Fusion, encoded: dict[str, Encoded]) -> None:
        """Logits of a clip depend neither on the other clips of its batch nor on its padding."""
        fusion.eval()
        together = _run(fusion, encoded).logits
        for clip in range(len(_LABELS)):
            alone = _run(fusion, select_encoded(encoded, clip)).logits
            torch.testing.assert_close(alone[0], together[clip], rtol=1e-6, atol=1e-9)

    def test_unimodal_logits_have_one_entry_per_modality(self, fusion: Fusion, encoded: dict[str, Encoded]) -> None:
        """Logits of one modality alone do not depend on the others."""
        fusion.eval()
        alone = fusion.unimodal_logits(encoded, FusionContext())
        assert set(alone) <= set(encoded)
        for modality, logits in alone.items():
            assert logits.shape == (len(_LABELS), NUM_CLASSES)
            others = {m: e if m == modality else e.map(lambda x: x * 1.5 + (x != 0)) for m, e in encoded.items()}
            torch.testing.assert_close(fusion.unimodal_logits(others, FusionContext())[modality], logits)

    def test_the_state_is_complete(self, declared: Any, small_options: Any, encoded: dict[str, Encoded]) -> None:
        """A fusion that loads the state of another one fuses alike."""
        fusion, other = (_build(declared, small_options, encoded, seed).eval() for seed in (0, 1))
        other.load_state_dict(fusion.state_dict())
        assert torch.equal(_run(fusion, encoded).logits, _run(other, encoded).logits)


def _build(declared: Any, options: Any, encoded: dict[str, Encoded], seed: int = 0) -> Fusion:
    torch.manual_seed(seed)
    dims: dict[str, Any] = {m: one.vector.shape[1] for m, one in encoded.items()}
    if declared.SPEC.needs == "layers":
        dims = {m: (dim,) * _LAYERS for m, dim in dims.items()}
    fusion: Fusion = declared.build(dims, NUM_CLASSES, options).double()
    return fusion


def _run(fusion: Fusion, encoded: dict[str, Encoded], train: bool = False) -> Output:
    """Fuse; in training with a criterion, noisy layers and teachers."""
    if not train:
        with torch.no_grad():
            evaluated: Output = fusion(encoded, FusionContext())
        return evaluated
    noisy = None
    if fusion.noise is not None:
        noisy = {m: one.map(lambda x: x + 0.1 * torch.randn_like(x) * (x != 0)) for m, one in encoded.items()}
    generator = torch.Generator().manual_seed(2)
    size = (len(_LABELS), NUM_CLASSES)
    teachers = {m: torch.randn(size, dtype=torch.float64, generator=generator) for m in encoded}
    context = FusionContext(partial(F.cross_entropy, target=_LABELS), noisy, teachers=teachers)
    output: Output = fusion(encoded, context)
    return output
