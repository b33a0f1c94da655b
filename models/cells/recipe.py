"""Recipes: all that rebuilds a network or a baseline, written to model.json beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.experiment import Cell, Experiment, Sharing
from affectstore.config.inputs import Images, Sequences
from affectstore.errors import ConfigError
from affectstore.models.baseline_spec import BASELINES, Pool
from affectstore.models.cells.inputs import image_shape, input_features, named_encoders
from affectstore.models.cells.options import baseline_options, encoder_options, fusion_options
from affectstore.models.cells.validate import dims_problem
from affectstore.models.spec import ENCODERS, FUSIONS, ClipShape, ImageShape, SequenceShape


class Part(Settings):
    """An encoder, a fusion or a baseline, with its options."""

    name: str = Field(description="File in `models/encoders/`, `models/fusions/` or `models/baselines/`.")
    version: int = Field(description="Its version when it was trained.")
    options: dict[str, Any] = Field(default={}, description="All its options.")


class Recipe(Settings):
    """A network without its weights."""

    modalities: tuple[str, ...] = Field(description="In the order in which fusions receive them.")
    inputs: dict[str, str] = Field(description="Feature instance per modality.")
    input_kinds: dict[str, str] = Field(description="Input kind of each modality's encoder.")
    images: Images = Field(description="Conversion of stored images to inputs.")
    sequences: Sequences = Field(default=Sequences(), description="Conversion of stored rows to steps.")
    shapes: dict[str, SequenceShape | ClipShape | ImageShape] = Field(description="Shape of each modality's input.")
    encoders: dict[str, Part] = Field(description="Encoder per modality.")
    fusion: Part | None = Field(default=None, description="None for one modality.")
    fuses_inputs: bool = Field(default=False, description="The modalities become one input of one encoder.")
    words: str | None = Field(default=None, description="Modality whose rows are words, where the fusion needs it.")
    sharing: Sharing | None = Field(
        default=None,
        description="`separate` or `shared` for fusions of encoder outputs, `modality_agnostic` where each modality of "
        "a clip is classified by itself; none where there is one encoder anyway.",
    )
    classes: tuple[str, ...] = Field(description="Class labels, in the order of the logits.")

    @property
    def instances(self) -> tuple[str, ...]:
        """Modalities that are classified by themselves; empty where clips are classified."""
        return self.modalities if self.sharing == "modality_agnostic" else ()

    def image_shapes(self) -> dict[str, ImageShape]:
        """Modality -> shape of its input, of those that are images or clips of images."""
        return {m: shape for m, shape in self.shapes.items() if isinstance(shape, ImageShape)}

    def without_pretrained(self) -> Recipe:
        """The same network with `weights: random`, to be filled with trained weights."""
        parts = {
            modality: part.model_copy(update={"options": part.options | {"weights": "random"}})
            if "weights" in part.options
            else part
            for modality, part in self.encoders.items()
        }
        return self.model_copy(update={"encoders": parts})


class BaselineRecipe(Settings):
    """A baseline without its fitted numbers."""

    modalities: tuple[str, ...] = Field(description="In the order in which their columns are joined.")
    inputs: dict[str, str] = Field(description="Feature instance per modality.")
    baseline: Part = Field(description="The baseline.")
    classes: tuple[str, ...] = Field(description="Class labels, in the order of the probabilities.")

    @property
    def pool(self) -> Pool | None:
        """Statistics that rows are pooled to over time; None where the features are not read."""
        return cast("Pool | None", self.baseline.options.get("pool"))

    @property
    def reads_features(self) -> bool:
        """True where the features are read, not the labels alone."""
        return self.pool is not None


def recipe_for(
    experiment: Experiment, cell: Cell, classes: tuple[str, ...], dims: Mapping[str, int] | None = None
) -> Recipe:
    """Build the recipe of a valid cell; `sharing` defaults to `separate` for fusions of encoder outputs.

    Args:
        experiment: The experiment.
        cell: One of its cells, without a grid.
        classes: Class labels, in the order of the logits.
        dims: Feature instance -> values of each row, for those that are read as sequences.

    Raises:
        ConfigError: An encoder, fusion, option or input is unknown or impossible, or modalities that share weights have
            inputs of different shapes.
    """
    names, options = named_encoders(cell), encoder_options(experiment, cell)
    declared = {modality: ENCODERS.load(name).SPEC for modality, name in names.items()}
    fusion = FUSIONS.load(cell.fusion).SPEC if cell.fusion else None
    inputs = input_features(experiment, cell)
    shapes = {
        modality: SequenceShape(dim=(dims or {})[inputs[modality]])
        if spec.input_kind == "sequence"
        else image_shape(experiment, cell, spec.input_kind)
        for modality, spec in declared.items()
    }
    if reason := dims_problem(experiment, cell, dims or {}):
        raise ConfigError(f"cell {cell.id!r}: {reason}")
    fusion_settings = fusion_options(cell)
    part = None
    if cell.fusion and fusion and fusion_settings is not None:
        part = Part(name=cell.fusion, version=fusion.version, options=fusion_settings.model_dump())
    return Recipe(
        modalities=cell.modalities,
        inputs=inputs,
        input_kinds={modality: spec.input_kind for modality, spec in declared.items()},
        images=experiment.images_of(cell),
        sequences=experiment.sequences,
        shapes=shapes,
        encoders={
            m: Part(name=name, version=declared[m].version, options=options[m].resolved().model_dump())
            for m, name in names.items()
        },
        fusion=part,
        fuses_inputs=fusion is not None and fusion.needs == "inputs",
        words=fusion.words if fusion else None,
        sharing=(cell.sharing or "separate") if fusion and fusion.needs != "inputs" else cell.sharing,
        classes=classes,
    )


def baseline_recipe_for(experiment: Experiment, cell: Cell, classes: tuple[str, ...]) -> BaselineRecipe:
    """Build the recipe of a valid cell that names a baseline.

    Raises:
        ConfigError: The baseline, an option or an input is unknown or impossible.
    """
    name = str(cell.baseline)
    options = baseline_options(cell).model_dump(mode="json")
    return BaselineRecipe(
        modalities=cell.modalities,
        inputs=input_features(experiment, cell),
        baseline=Part(name=name, version=BASELINES.load(name).SPEC.version, options=options),
        classes=classes,
    )
