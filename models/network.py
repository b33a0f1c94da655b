"""Network of a recipe: encoders, fusion and classifier."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.blocks.missing import availability, fill_missing, mask_missing
from affectstore.models.cells.recipe import Part, Recipe
from affectstore.models.modules import Encoded, Encoder, Fusion, FusionContext, InputFusion, NoisyEncoder, Output
from affectstore.models.spec import ENCODERS, FUSIONS, JoinOptions, Shape

_JOINED, _SHARED = "joined", "shared"

Inputs = Mapping[str, Tensor]


class Network(nn.Module):
    """Map the inputs of all modalities to logits.

    An input fusion feeds one encoder (`encoders.joined`) and a linear layer; a single modality has its encoder and a
    linear layer; other fusions read the outputs of one encoder per modality, or of one for all (`encoders.shared`).
    With `sharing: modality_agnostic` one encoder and one linear layer classify each modality of a clip by itself.

    Args:
        recipe: Description of the network. Parameters are initialised from torch's generator: the encoders first, in
            the order of the modalities, then the fusion or the linear layer.

    Attributes:
        encoders: Modality -> its encoder, or one encoder as "joined" or "shared".
        fusion: Fusion of encoder outputs, if any.
        join: Fusion of inputs, if any.
        head: Linear layer; networks with a fusion of encoder outputs have none.

    Raises:
        ConfigError: A fusion of layers is combined with an encoder that adds no noise to its layers.
    """

    head: nn.Linear

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoders = nn.ModuleDict()
        self.fusion: Fusion | None = None
        self.join: InputFusion | None = None
        self._modality_agnostic = recipe.sharing == "modality_agnostic"
        first, num_classes = recipe.modalities[0], len(recipe.classes)
        if recipe.fusion is not None and recipe.fuses_inputs:
            declared = FUSIONS.load(recipe.fusion.name)
            options = cast("JoinOptions", declared.Options(**recipe.fusion.options))
            self.join = declared.build(options)
            encoder, _ = self._add(_JOINED, recipe.encoders[first], options.join_shapes(recipe.image_shapes()))
            self.head = nn.Linear(encoder.output_dim, num_classes)
        elif recipe.fusion is None:
            encoder, _ = self._add(self._key(first), recipe.encoders[first], recipe.shapes[first])
            self.head = nn.Linear(encoder.output_dim, num_classes)
        else:
            built = {m: self._add(self._key(m), recipe.encoders[m], recipe.shapes[m]) for m in recipe.modalities}
            declared = FUSIONS.load(recipe.fusion.name)
            fusion_options = declared.Options(**recipe.fusion.options)
            if declared.SPEC.needs == "layers":
                for modality, (encoder, _) in built.items():
                    _check_adds_noise(encoder, recipe.encoders[modality].name, recipe.fusion.name)
                self.fusion = declared.build(
                    {m: (e.output_dim,) * n for m, (e, n) in built.items()}, num_classes, fusion_options
                )
            else:
                self.fusion = declared.build(
                    {m: e.output_dim for m, (e, _) in built.items()}, num_classes, fusion_options
                )

    def _key(self, modality: str) -> str:
        return modality if self.recipe.sharing in (None, "separate") else _SHARED

    def _add(self, key: str, part: Part, shape: Shape) -> tuple[Encoder, int]:
        """Build an encoder unless it exists; the encoder and its number of layers."""
        declared = ENCODERS.load(part.name)
        options = declared.Options(**part.options)
        if key not in self.encoders:
            self.encoders[key] = declared.build(shape, options)
        return cast("Encoder", self.encoders[key]), options.depth

    def forward(
        self,
        values: Inputs,
        masks: Inputs,
        context: FusionContext | None = None,
        *,
        spans: Inputs | None = None,
        return_unimodal: bool = False,
    ) -> Output:
        """Compute logits and auxiliary losses.

        Args:
            values: Modality -> float32 (clip, *size of its shape), zero where padded; a modality that is not in it is
                missing in all clips.
            masks: Modality -> bool (clip, frame) or (clip, step); a clip without any True lacks the modality.
            context: Criterion for auxiliary losses and logits of teachers; None outside training.
            spans: Modality -> int64 (clip, word, 2), for a fusion that aligns modalities with words; see `Encoded`.
            return_unimodal: Compute the logits of each modality alone, too.

        Returns:
            Logits (clip, class); with `sharing: modality_agnostic` (modality x clip, class): all clips by their first
            modality, then by the next.
        """
        spans, context = spans or {}, context or FusionContext()
        if len(values) < len(self.recipe.modalities):
            values, masks, spans = fill_missing(self.recipe.shapes, self.recipe.words, values, masks, spans)
        if self._modality_agnostic:
            joined, mask = stack_modalities(self._in_order(values), self._in_order(masks))
            return Output(self._classify(_SHARED, joined, mask))
        if self.join is not None:
            unimodal_logits = self._joined_alone(self.join, values, masks) if return_unimodal else {}
            return Output(self._classify_joined(self.join, values, masks), {}, unimodal_logits)
        if self.fusion is None:
            (modality,) = self.recipe.modalities
            return Output(self._classify(self._key(modality), values[modality], masks[modality]))
        if self.training:
            values = self.fusion.mask_inputs(self._in_order(values), self._in_order(masks))
        encoded = self.encode(values, masks)
        if spans:
            encoded = {m: one._replace(spans=spans.get(m)) for m, one in encoded.items()}
        if self.training:
            if self.fusion.noise is not None:
                context = context._replace(noisy=self.encode(values, masks, self.fusion.noise))
        elif available := availability(self._in_order(masks)):
            encoded = {m: mask_missing(one, available[m]) for m, one in encoded.items()}
            context = context._replace(available=available)
        output: Output = self.fusion(encoded, context)
        if return_unimodal:
            output = output._replace(unimodal_logits=self.fusion.unimodal_logits(encoded, context))
        return output

    def encode(self, values: Inputs, masks: Inputs, noise: float | None = None) -> dict[str, Encoded]:
        """Output of the encoder of each modality, where the inputs are not joined before one.

        Args:
            values, masks: As of `forward`.
            noise: Standard deviation of the noise in every layer of a `NoisyEncoder`; None for other encoders.
        """
        more = () if noise is None else (noise,)
        return {m: self.encoders[self._key(m)](values[m], masks[m], *more) for m in self.recipe.modalities}

    def encoder(self, modality: str) -> Encoder:
        """Encoder of a modality, where the inputs are not joined before one."""
        return cast("Encoder", self.encoders[self._key(modality)])

    def _classify(self, key: str, values: Tensor, mask: Tensor) -> Tensor:
        """Logits of the linear layer on the vector of an encoder."""
        logits: Tensor = self.head(self.encoders[key](values, mask).vector)
        return logits

    def _classify_joined(self, join: InputFusion, values: Inputs, masks: Inputs) -> Tensor:
        """Logits of inputs that are joined before the encoder."""
        return self._classify(_JOINED, *join(self._in_order(values), self._in_order(masks)))

    def _joined_alone(self, join: InputFusion, values: Inputs, masks: Inputs) -> dict[str, Tensor]:
        """Modality -> logits of its input joined to zeros."""
        zeros = {m: torch.zeros_like(x) for m, x in values.items()}
        return {m: self._classify_joined(join, {**zeros, m: values[m]}, masks) for m in self.recipe.modalities}

    def _in_order(self, by_modality: Inputs) -> dict[str, Tensor]:
        return {modality: by_modality[modality] for modality in self.recipe.modalities}

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters; shared ones count once."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def _check_adds_noise(encoder: Encoder, name: str, fusion: str) -> None:
    """Check that an encoder can be combined with a fusion that compares clean and noisy layers."""
    if not isinstance(encoder, NoisyEncoder):
        raise ConfigError(
            f"fusion {fusion!r} compares clean and noisy layers, and encoder {name!r} adds no noise to its layers: "
            f"{type(encoder).__name__} is no NoisyEncoder (docs/extending.md); derive it from NoisyEncoder, or choose "
            "another encoder or a fusion of sequences"
        )


def stack_modalities(values: Inputs, masks: Inputs) -> tuple[Tensor, Tensor]:
    """Stack all modalities along the batch: every clip's first modality, then every clip's next one.

    Args:
        values: Modality -> (clip, ...), of one shape but for the number of steps.
        masks: Modality -> bool (clip, frame) or (clip, step).

    Returns:
        Values (modality x clip, ...) and mask (modality x clip, frame or step); shorter sequences are padded with
        zeros.
    """
    steps = max(mask.shape[1] for mask in masks.values())
    padded = [F.pad(x, (0, 0, 0, steps - x.shape[1])) if x.dim() == 3 else x for x in values.values()]
    return torch.cat(padded), torch.cat([F.pad(mask, (0, steps - mask.shape[1])) for mask in masks.values()])
