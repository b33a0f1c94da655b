"""All that rebuilds a network: what model.json holds beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.experiment import Cell, Experiment, Pictures, Sequences, Sharing
from affectstore.errors import ConfigError
from affectstore.models.base import ENCODERS, FUSIONS, Given, GivenSteps
from affectstore.models.check import check_columns, encoder_options, fusion_options
from affectstore.models.needs import encoders_of, inputs_of, pictures_of


class Part(Settings):
    """An encoder or a fusion, with its options."""

    name: str = Field(description="File in `models/encoders/` or `models/fusions/`.")
    version: int = Field(description="Its version when the network was trained.")
    options: dict[str, Any] = Field(default={}, description="All its options.")


class Recipe(Settings):
    """A network without its weights."""

    modalities: tuple[str, ...] = Field(description="In the order in which fusions join them.")
    inputs: dict[str, str] = Field(description="Feature instance per modality.")
    takes: dict[str, str] = Field(description="What each modality's encoder takes.")
    pictures: Pictures = Field(description="How stored pictures become inputs.")
    sequences: Sequences = Field(default=Sequences(), description="How stored rows become steps.")
    given: dict[str, Given | GivenSteps] = Field(description="Shape of each modality's input.")
    encoders: dict[str, Part] = Field(description="Encoder per modality.")
    fusion: Part | None = Field(default=None, description="None for one modality.")
    sharing: Sharing | None = Field(
        default=None,
        description="`separate` or `shared` for fusions of what encoders give, `union` where each modality of a clip "
        "is classified for itself; none where there is one encoder anyway.",
    )
    classes: tuple[str, ...] = Field(description="Class labels, in the order of the logits.")

    @property
    def fuses_inputs(self) -> bool:
        """Whether the modalities become one input of one encoder."""
        return self.fusion is not None and FUSIONS.load(self.fusion.name).SPEC.needs == "inputs"

    @property
    def units(self) -> tuple[str, ...]:
        """What of a clip is classified for itself: nothing smaller than the clip (empty), or these modalities."""
        return self.modalities if self.sharing == "union" else ()

    @property
    def words(self) -> str | None:
        """The modality whose rows are words, where the fusion goes word by word."""
        return FUSIONS.load(self.fusion.name).SPEC.words if self.fusion is not None else None

    @property
    def from_scratch(self) -> Recipe:
        """The same network with no published weights to look for: its own will be loaded."""
        parts = {
            modality: part.model_copy(update={"options": part.options | {"weights": "random"}})
            if "weights" in part.options
            else part
            for modality, part in self.encoders.items()
        }
        return self.model_copy(update={"encoders": parts})


def recipe_of(
    experiment: Experiment, cell: Cell, classes: tuple[str, ...], columns: Mapping[str, int] | None = None
) -> Recipe:
    """The recipe of a valid cell; `sharing` is `separate` where a fusion of what encoders give does not say.

    Args:
        experiment, cell: which.
        classes: class labels, in the order of the logits.
        columns: feature instance -> its columns, for those that are taken as sequences.

    Raises:
        ConfigError: an encoder, fusion, option or input is unknown or impossible, or modalities that shall share
            weights have inputs of different shape.
    """
    names = encoders_of(cell)
    options = encoder_options(experiment, cell)
    modules = {modality: ENCODERS.load(name) for modality, name in names.items()}
    fusion = FUSIONS.load(cell.fusion) if cell.fusion else None
    inputs = inputs_of(experiment, cell)

    def given(takes: str, feature: str) -> Given | GivenSteps:
        if takes == "sequence":
            return GivenSteps(columns=(columns or {})[feature])
        return pictures_of(experiment, cell, takes)

    shapes = {modality: given(module.SPEC.takes, inputs[modality]) for modality, module in modules.items()}
    if reason := check_columns(experiment, cell, columns or {}):
        raise ConfigError(f"cell {cell.id!r}: {reason}")
    return Recipe(
        modalities=cell.modalities,
        inputs=inputs,
        takes={modality: module.SPEC.takes for modality, module in modules.items()},
        pictures=experiment.pictures_of(cell),
        sequences=experiment.sequences,
        given=shapes,
        encoders={
            modality: Part(name=name, version=modules[modality].SPEC.version, options=_settled(name, options[modality]))
            for modality, name in names.items()
        },
        fusion=Part(name=cell.fusion, version=fusion.SPEC.version, options=fusion_options(cell).model_dump())
        if cell.fusion and fusion
        else None,
        sharing=(cell.sharing or "separate") if fusion and fusion.SPEC.needs != "inputs" else cell.sharing,
        classes=classes,
    )


def _settled(name: str, options: Any) -> dict[str, Any]:
    """All options of an encoder, with what it leaves to published weights written in."""
    module = ENCODERS.load(name)
    return (module.settled(options) if hasattr(module, "settled") else options).model_dump()
