"""What a fitted baseline is: what model.json holds beside its numbers."""

from __future__ import annotations

from typing import cast

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.experiment import Cell, Experiment
from affectstore.models.baselines.base import BASELINES, Pool
from affectstore.models.check import baseline_options
from affectstore.models.needs import inputs_of
from affectstore.models.recipe import Part


class BaselineRecipe(Settings):
    """A baseline without its numbers."""

    modalities: tuple[str, ...] = Field(description="In the order in which their columns are joined.")
    inputs: dict[str, str] = Field(description="Feature instance per modality.")
    baseline: Part = Field(description="Which baseline.")
    classes: tuple[str, ...] = Field(description="Class labels, in the order of the probabilities.")

    @property
    def pool(self) -> Pool | None:
        """How rows are pooled over time; None where the features are not read."""
        return cast("Pool | None", self.baseline.options.get("pool"))

    @property
    def reads(self) -> bool:
        """Whether the features are read, or the labels alone."""
        return self.pool is not None


def baseline_recipe_of(experiment: Experiment, cell: Cell, classes: tuple[str, ...]) -> BaselineRecipe:
    """The recipe of a valid cell that names a baseline.

    Raises:
        ConfigError: the baseline, an option or an input is unknown or impossible.
    """
    name = cast("str", cell.baseline)
    return BaselineRecipe(
        modalities=cell.modalities,
        inputs=inputs_of(experiment, cell),
        baseline=Part(
            name=name,
            version=BASELINES.load(name).SPEC.version,
            options=baseline_options(cell).model_dump(mode="json"),
        ),
        classes=classes,
    )
