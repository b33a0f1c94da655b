"""The network of a recipe: encoders, fusion and classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from affectstore.models.absent import completed, emptied, present_in, silenced
from affectstore.models.base import ENCODERS, FUSIONS, Criterion, Encoded, Given, GivenSteps, Output
from affectstore.models.published import weights_digests
from affectstore.models.recipe import Part, Recipe
from affectstore.models.units import stacked

_JOINED, _SHARED = "joined", "shared"


class Network(nn.Module):
    """Modalities in, logits out.

    An input fusion feeds one encoder ("joined") and a linear layer; one modality its encoder and a
    linear layer; other fusions get what the encoders give, one encoder a modality or one for all
    ("shared"). A union has one of each for all modalities, and says something of each by itself.

    Args:
        recipe: what to build; weights are drawn from torch's generator, encoders first, in the order
            of the modalities.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self._parts: dict[str, tuple[Any, Any]] = {}
        self.encoders = nn.ModuleDict()
        self._fusion: Any = None
        self._fusion_options: Any = None
        if recipe.fusion is not None:
            self._fusion = FUSIONS.load(recipe.fusion.name)
            self._fusion_options = self._fusion.Options(**recipe.fusion.options)
        classes = len(recipe.classes)
        if recipe.fuses_inputs:
            joined = self._fusion.joined(recipe.given, self._fusion_options)
            self.head = nn.Linear(self._add(_JOINED, recipe.encoders[recipe.modalities[0]], joined), classes)
        elif recipe.fusion is None:
            first = recipe.modalities[0]
            self.head = nn.Linear(self._add(self._key(first), recipe.encoders[first], recipe.given[first]), classes)
        else:
            sizes: dict[str, Any] = {
                m: self._add(self._key(m), recipe.encoders[m], recipe.given[m]) for m in recipe.modalities
            }
            if self._fusion.SPEC.needs == "layers":
                sizes = {m: (size,) * self._depth(self._key(m)) for m, size in sizes.items()}
            self.fusion = self._fusion.weights(sizes, classes, self._fusion_options)
        #: Modality -> digest of the published weights that its encoder starts from; nothing for those newly drawn.
        self.weights_digests = weights_digests(
            {m: (part.name, ENCODERS.load(part.name).Options(**part.options)) for m, part in recipe.encoders.items()}
        )

    def _key(self, modality: str) -> str:
        return modality if self.recipe.sharing in (None, "separate") else _SHARED

    def _add(self, key: str, part: Part, given: Given | GivenSteps) -> int:
        """Build an encoder unless it is there; the width of what it gives."""
        module = ENCODERS.load(part.name)
        options = module.Options(**part.options)
        if key not in self.encoders:
            self.encoders[key] = module.weights(given, options)
            self._parts[key] = module, options
        return module.features(given, options)

    def _depth(self, key: str) -> int:
        """How many layers an encoder gives."""
        module, options = self._parts[key]
        return module.depth(options)

    def _encode(self, key: str, values: Tensor, mask: Tensor, *noise: float) -> Encoded:
        module, options = self._parts[key]
        encoded = module.encode(self.encoders[key], values, mask, options, *noise)
        return encoded if isinstance(encoded, Encoded) else Encoded(encoded)

    def forward(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        criterion: Criterion | None = None,
        alone: bool = False,
        spans: Mapping[str, Tensor] | None = None,
        teachers: Mapping[str, Tensor] | None = None,
    ) -> Output:
        """Logits (clip, class) and auxiliary losses.

        Args:
            values: modality -> float32 (clip, *shape of its `Given`), zero where padded; all clips lack a modality that
                is not among them.
            masks: modality -> bool (clip, frame) or (clip, step); a clip without any lacks the modality.
            criterion: for auxiliary losses; none where there are no labels.
            alone: whether each modality's own logits are asked for too.
            spans: modality -> int64 (clip, word, 2), for a fusion that goes word by word; see `Encoded`.
            teachers: modality -> logits (clip, class) of a teacher, for a fusion that learns from them.

        Returns:
            Of a union, logits (modality x clip, class): all clips by their first modality, then by the next.
        """
        values, masks, spans = completed(self.recipe, values, masks, spans or {})
        if self.recipe.units:
            everything = stacked(self._in_order(values), self._in_order(masks))
            return Output(self.head(self._encode(_SHARED, *everything).vector), {})
        if self._fusion is not None and self._fusion.SPEC.needs == "inputs":
            scores = self._of_joined_alone(values, masks) if alone else {}
            return Output(self._of_joined(values, masks), {}, scores)
        if self.training and hasattr(self._fusion, "ablate"):
            values = self._fusion.ablate(self._in_order(values), self._in_order(masks), self._fusion_options)
        encoded = self.encode(values, masks)
        if spans:
            encoded = {m: one._replace(spans=spans.get(m)) for m, one in encoded.items()}
        if self._fusion is None:
            (only,) = encoded.values()
            return Output(self.head(only.vector), {})
        present = {} if self.training else present_in(self._in_order(masks))
        if present:
            encoded = {m: emptied(one, present[m]) for m, one in encoded.items()}
        further: tuple[Any, ...] = ()
        if self._fusion.SPEC.needs == "layers" and self.training:
            further = (self.encode(values, masks, self._fusion.noise(self._fusion_options)),)
        elif self._fusion.SPEC.taught:
            further = (teachers or {},)
        elif self._fusion.SPEC.leaves_out:
            further = (present,)
        output: Output = self._fusion.fuse(self.fusion, self._read(encoded), criterion, self._fusion_options, *further)
        return output._replace(scores=self._scores(encoded, *further)) if alone else output

    def _read(self, encoded: Mapping[str, Encoded]) -> Mapping[str, Any]:
        """What the fusion reads of what encoders give."""
        return {m: one.vector for m, one in encoded.items()} if self._fusion.SPEC.needs == "vector" else encoded

    def _scores(self, encoded: Mapping[str, Encoded], *further: Any) -> dict[str, Tensor]:
        """Modality -> logits of it alone: the fusion's own, or what it makes of zeros in place of the others."""
        if hasattr(self._fusion, "scores"):
            own = self._fusion.scores(self.fusion, self._read(encoded), self._fusion_options)
            return cast("dict[str, Tensor]", own)
        scores = {}
        for modality in encoded:
            only, more = _only(encoded, modality), further
            if self._fusion.SPEC.needs == "layers":  # what it gets besides is the same with noise
                more = tuple(_only(noisy, modality) for noisy in further)
            output = self._fusion.fuse(self.fusion, self._read(only), None, self._fusion_options, *more)
            scores[modality] = output.logits
        return scores

    def _of_joined(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        """Logits of inputs that are joined before the encoder."""
        joined, mask = self._fusion.join(self._in_order(values), self._in_order(masks), self._fusion_options)
        return cast("Tensor", self.head(self._encode(_JOINED, joined, mask).vector))

    def _of_joined_alone(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Modality -> logits of its input joined to zeros."""
        blank = {m: torch.zeros_like(x) for m, x in values.items()}
        return {m: self._of_joined({**blank, m: values[m]}, masks) for m in self.recipe.modalities}

    def encode(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor], *noise: float) -> dict[str, Encoded]:
        """What the encoder of each modality gives, where the inputs are not joined before one.

        Args:
            values, masks: as of `forward`.
            noise: of encoders that give layers: what each layer is corrupted with.
        """
        return {m: self._encode(self._key(m), values[m], masks[m], *noise) for m in self.recipe.modalities}

    def encoder(self, modality: str) -> nn.Module:
        """The weights of a modality's encoder, where the inputs are not joined before one."""
        return self.encoders[self._key(modality)]

    @property
    def heard(self) -> tuple[str, ...]:
        """The modalities that the logits depend on: all, but where the fusion ignores some on purpose."""
        if not hasattr(self._fusion, "heard"):
            return self.recipe.modalities
        return self._fusion.heard(self.recipe.modalities, self._fusion_options)

    @property
    def settles(self) -> bool:
        """Whether the fusion fits something on the validation side once the epoch is chosen."""
        return hasattr(self._fusion, "settle")

    def settle(self, vectors: Mapping[str, Tensor], labels: Tensor) -> None:
        """Fit what the fusion fits.

        Args:
            vectors: modality -> (clip, feature) of all clips of the validation side.
            labels: int64 (clip,).
        """
        self._fusion.settle(self.fusion, vectors, labels, self._fusion_options)

    def _in_order(self, by_modality: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {modality: by_modality[modality] for modality in self.recipe.modalities}

    @property
    def parameters_count(self) -> int:
        """How many numbers are learnt; shared weights count once."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    @property
    def origins(self) -> dict[str, str]:
        """Modality -> what the weights of its encoder started as."""
        return {
            modality: ENCODERS.load(part.name).origin(ENCODERS.load(part.name).Options(**part.options))
            for modality, part in self.recipe.encoders.items()
        }


def _only(encoded: Mapping[str, Encoded], modality: str) -> dict[str, Encoded]:
    """What encoders give, with zeros for all modalities but one."""
    return {m: one if m == modality else silenced(one) for m, one in encoded.items()}
