"""One classifier for every modality's vector (document 004, architecture 0).

Each modality is mapped to one space, and one classifier C reads one mapping at a time (the document's section 2):

    L = L_C(phi_a(x_audio)) + alpha L_C(phi_i(x_image)) + beta Reg(C) + gamma Similarity(phi_a(x_audio), phi_i(x_image))

It has no joint output. A pair is predicted by the mean of the probabilities, or by the first modality alone
(`predict: first`), the document's idea of audio helped by images in training. The prediction carries no gradient in
training: the classifier learns from the losses above, and from nothing else.

Defaults are those of the document's run: alpha 1 (called beta in its section 4.7), neither regulariser nor
similarity. Ours: the mappings are those of `equalised`; Reg is half the sum of the squared weights of C, without its
biases; Similarity is the mean squared difference of two mappings, averaged over pairs of modalities; a third modality
has a weight of its own.
"""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Literal

from pydantic import Field
from torch import Tensor

from affectstore.models.blocks.late import log_mean, log_probabilities
from affectstore.models.blocks.mlp import MatchDims, mlp
from affectstore.models.blocks.options import MatchDimsOptions
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="one classifier trained on each modality's vector in turn",
    needs="vector",
    paper="Document 004, section 2 and architecture 0",
)


class Options(MatchDimsOptions):
    """Options of `joint_loss`."""

    audio: float = Field(default=1.0, ge=0, description="Weight of the classifier's loss on audio.")
    vision: float = Field(default=1.0, ge=0, description="alpha: weight of its loss on vision.")
    text: float = Field(default=1.0, ge=0, description="Weight of its loss on text.")
    regulariser: float = Field(
        default=0.0, ge=0, description="beta: weight of half the sum of the classifier's squared weights."
    )
    similarity: float = Field(
        default=0.0, ge=0, description="gamma: weight of the mean squared difference of the modalities' mappings."
    )
    predict: Literal["mean", "first"] = Field(
        default="mean", description="Predict by the mean of all modalities' probabilities, or by the first modality."
    )

    def problem(self, modalities: tuple[str, ...], depths: Mapping[str, int]) -> str | None:
        """Reason why these modalities do not train the classifier, or None."""
        if any(getattr(self, modality) for modality in modalities):
            return None
        zeros = ", ".join(f"`{modality}: 0`" for modality in modalities)
        return f"fusion 'joint_loss' has {zeros}, so no label trains the classifier; set one of them above 0"

    def used_modalities(self, modalities: tuple[str, ...]) -> tuple[str, ...]:
        """Modalities that the logits depend on."""
        return modalities[:1] if self.predict == "first" else modalities


class JointLoss(Fusion):
    """Classify each modality's vector with one classifier."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim = options.target_dim(dims)
        self.options = options
        self.match = MatchDims(dims, dim)
        self.classifier = mlp(dim, options.hidden_dims, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class) and the losses `audio`, ..., `regulariser`, `similarity`."""
        matched = self.match(vectors(encoded))
        log_p = {modality: log_probabilities(self.classifier(vector)) for modality, vector in matched.items()}
        logits = log_mean(log_p[modality] for modality in self.options.used_modalities(tuple(log_p)))
        if context.criterion is None:
            return Output(logits)
        return Output(logits.detach(), self._losses(matched, log_p, context.criterion))

    def _losses(
        self, matched: Mapping[str, Tensor], log_p: Mapping[str, Tensor], criterion: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """Weighted losses by name."""
        losses = {modality: getattr(self.options, modality) * criterion(one) for modality, one in log_p.items()}
        if self.options.regulariser:
            weights = (p for name, p in self.classifier.named_parameters() if name.endswith("weight"))
            squares = [weight.square().sum() for weight in weights]
            losses["regulariser"] = self.options.regulariser / 2 * sum(squares[1:], squares[0])
        if self.options.similarity and len(matched) > 1:
            distances = [(one - other).square().mean() for one, other in combinations(matched.values(), 2)]
            losses["similarity"] = self.options.similarity * sum(distances[1:], distances[0]) / len(distances)
        return losses


build = JointLoss
