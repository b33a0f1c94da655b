"""A file of workflow/presets/: the features of a published study."""

from __future__ import annotations

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.feature import FeatureSettings


class Preset(Settings):
    """Named instances of extractors with the options of a study."""

    title: str = Field(description="One sentence: which study, and what of it.")
    corpus: str = Field(description="Corpus that the study used.")
    notes: tuple[str, ...] = Field(
        default=(), description="What the options follow from, and what of the study no option says."
    )
    features: dict[str, FeatureSettings] = Field(
        description="Feature instances; in config.yaml's features they are called `<preset>.<instance>`."
    )

    def instances(self, name: str) -> dict[str, FeatureSettings]:
        """The instances under their full names; inputs that are the preset's own likewise.

        Args:
            name: the preset's name.
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
