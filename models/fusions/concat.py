"""Vector fusion by concatenation: the encoders' vectors one after the other, then one linear layer, or an MLP.

With two hidden layers it is architecture 1 of document 004 (RAVDESS): the flattened outputs of two networks, of
unequal dimension, joined as they are and classified by a three-layer MLP. Its architecture 2 is the same with
`audio_lstm` in place of `audio_cnn`. The document states no sizes; `[128, 64]` are those of `equalised` (its
architecture 3), so that the two differ in the equalisation alone:

    {modalities: [audio, vision], encoder: {audio: audio_cnn, vision: image_cnn}, fusion: concat,
     fusion_options: {hidden_dims: [128, 64]}, encoder_options: {audio: {over: coefficients}}}
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.mlp import mlp
from affectstore.models.blocks.options import HiddenDims
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="encoded vectors joined, then a linear layer or an MLP",
    needs="vector",
    paper="Document 004, architectures 1 and 2",
)


class Options(FusionOptions):
    """Options of `concat`."""

    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dims"}

    hidden_dims: HiddenDims = Field(
        default=(), description="Hidden layers of the classifier, which has one layer more; none: a linear layer alone."
    )


class Concat(Fusion):
    """Concatenate the vectors and classify them."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim, hidden_dims = sum(dims.values()), options.hidden_dims
        self.classifier = mlp(dim, hidden_dims, num_classes) if hidden_dims else nn.Linear(dim, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        return Output(self.classifier(torch.cat(list(vectors(encoded).values()), dim=1)))

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> its term of the logits (clip, class), the bias in equal parts (Peng et al. 2022, OGM-GE).

        The logits of an MLP are no sum of terms: there all other modalities are set to zero.
        """
        if not isinstance(self.classifier, nn.Linear):
            return super().unimodal_logits(encoded, context)
        by_modality = vectors(encoded)
        weights = self.classifier.weight.split([vector.shape[1] for vector in by_modality.values()], dim=1)
        bias = self.classifier.bias / len(by_modality)
        return {m: F.linear(x, weight, bias) for (m, x), weight in zip(by_modality.items(), weights, strict=True)}


build = Concat
