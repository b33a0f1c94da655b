"""Model of a file of workflow/presets/: the features of a published study."""

from __future__ import annotations

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.feature import FeatureSettings


class Preset(Settings):
    """Named instances of extractors with the options of a study."""

    title: str = Field(description="One sentence: the study, and the part of it that the preset reproduces.")
    corpus: str = Field(description="Corpus that the study used.")
    notes: tuple[str, ...] = Field(
        default=(), description="Sources of the options, and details of the study that no option covers."
    )
    features: dict[str, FeatureSettings] = Field(
        description="Feature instances; in config.yaml they are named `<preset>.<instance>`."
    )

    def instances(self, name: str) -> dict[str, FeatureSettings]:
        """Return the instances under their full names, with inputs of the preset under theirs.

        Args:
            name: Name of the preset.
        """
        return {
            f"{name}.{instance}": settings.model_copy(
                update={
                    "inputs": {
                        need: f"{name}.{source}" if source in self.features else source
                        for need, source in settings.inputs.items()
                    }
                }
            )
            for instance, settings in self.features.items()
        }
