"""The network of a recipe: encoders, fusion and classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from affectstore.models.base import ENCODERS, FUSIONS, Given, Output
from affectstore.models.recipe import Part, Recipe

_JOINED, _SHARED = "joined", "shared"


class Network(nn.Module):
    """Modalities in, logits out.

    An input fusion feeds one encoder ("joined") and a linear layer; one modality its encoder and a
    linear layer; other fusions get what the encoders give, one encoder a modality or one for all
    ("shared").

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
            (modality,) = recipe.modalities
            self.head = nn.Linear(self._add(modality, recipe.encoders[modality], recipe.given[modality]), classes)
        else:
            sizes = {m: self._add(self._key(m), recipe.encoders[m], recipe.given[m]) for m in recipe.modalities}
            self.fusion = self._fusion.weights(sizes, classes, self._fusion_options)

    def _key(self, modality: str) -> str:
        return _SHARED if self.recipe.sharing == "shared" else modality

    def _add(self, key: str, part: Part, given: Given) -> int:
        """Build an encoder unless it is there; the width of its vectors."""
        module = ENCODERS.load(part.name)
        options = module.Options(**part.options)
        if key not in self.encoders:
            self.encoders[key] = module.weights(given, options)
            self._parts[key] = module, options
        return module.features(given, options)

    def _encode(self, key: str, values: Tensor, mask: Tensor) -> Tensor:
        module, options = self._parts[key]
        return module.encode(self.encoders[key], values, mask, options)

    def forward(
        self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor], labels: Tensor | None = None
    ) -> Output:
        """Logits (clip, class) and auxiliary losses.

        Args:
            values: modality -> float32 (clip, *shape of its `Given`), zero where padded.
            masks: modality -> bool (clip, frame).
            labels: int64 (clip,), for auxiliary losses.
        """
        values = {modality: values[modality] for modality in self.recipe.modalities}
        masks = {modality: masks[modality] for modality in self.recipe.modalities}
        if self.recipe.fuses_inputs:
            joined, mask = self._fusion.join(values, masks, self._fusion_options)
            return Output(self.head(self._encode(_JOINED, joined, mask)), {})
        encoded = {m: self._encode(self._key(m), values[m], masks[m]) for m in self.recipe.modalities}
        if self._fusion is None:
            (vector,) = encoded.values()
            return Output(self.head(vector), {})
        return self._fusion.fuse(self.fusion, encoded, labels, self._fusion_options)

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
