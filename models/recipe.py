"""All that rebuilds a network: what model.json holds beside its weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.experiment import Cell, Experiment, Pictures
from affectstore.models.base import ENCODERS, FUSIONS, Given
from affectstore.models.check import encoder_options, fusion_options
from affectstore.models.needs import encoders_of, inputs_of


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
    given: dict[str, Given] = Field(description="Shape of each modality's input.")
    encoders: dict[str, Part] = Field(description="Encoder per modality.")
    fusion: Part | None = Field(default=None, description="None for one modality.")
    sharing: Literal["separate", "shared"] | None = Field(
        default=None, description="For fusions of what encoders give; none where there is one encoder anyway."
    )
    classes: tuple[str, ...] = Field(description="Class labels, in the order of the logits.")

    @property
    def fuses_inputs(self) -> bool:
        """Whether the modalities become one input of one encoder."""
        return self.fusion is not None and FUSIONS.load(self.fusion.name).SPEC.needs == "inputs"

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


def recipe_of(experiment: Experiment, cell: Cell, classes: tuple[str, ...]) -> Recipe:
    """The recipe of a valid cell; `sharing` is `separate` where a fusion of vectors does not say.

    Raises:
        ConfigError: an encoder, fusion, option or input is unknown or impossible.
    """
    names, pictures = encoders_of(cell), experiment.pictures_of(cell)
    options = encoder_options(experiment, cell)
    modules = {modality: ENCODERS.load(name) for modality, name in names.items()}
    channels = 3 if pictures.colour == "rgb" else 1
    fusion = FUSIONS.load(cell.fusion) if cell.fusion else None
    return Recipe(
        modalities=cell.modalities,
        inputs=inputs_of(experiment, cell),
        takes={modality: module.SPEC.takes for modality, module in modules.items()},
        pictures=pictures,
        given={
            modality: Given(
                channels=channels,
                height_px=pictures.size_px,
                width_px=pictures.size_px,
                frames=pictures.frames if module.SPEC.takes == "clip" else None,
            )
            for modality, module in modules.items()
        },
        encoders={
            modality: Part(name=name, version=modules[modality].SPEC.version, options=options[modality].model_dump())
            for modality, name in names.items()
        },
        fusion=Part(name=cell.fusion, version=fusion.SPEC.version, options=fusion_options(cell).model_dump())
        if cell.fusion and fusion
        else None,
        sharing=(cell.sharing or "separate") if fusion and fusion.SPEC.needs != "inputs" else None,
        classes=classes,
    )
