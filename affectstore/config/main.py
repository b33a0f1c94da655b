"""Model of config.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.config.corpus import CorpusSettings
from affectstore.config.feature import FeatureSettings


class StoreSettings(Settings):
    """Storage of features."""

    format: Literal["zarr", "hdf5"] = Field(default="zarr", description="Container of the arrays: Zarr v3, or HDF5.")


class Config(Settings):
    """All settings that can change a number, except those of the experiment files that it names."""

    corpora: dict[str, CorpusSettings] = Field(description="Corpora by name (files in `affectstore/corpora/`).")
    features: dict[str, FeatureSettings] = Field(description="Feature instances by name.")
    presets: tuple[str, ...] = Field(
        default=(),
        description="Files of `workflow/presets/`: the preprocessing of published studies, added to `features` "
        "as `<preset>.<instance>` (docs/presets.md).",
    )
    store: StoreSettings = Field(default=StoreSettings(), description="Storage of features.")
    experiments: tuple[str, ...] = Field(description="Experiment files that the default target builds.")

    def kind_of(self, corpus: str) -> str:
        """Return the name of the file in `affectstore/corpora/` that reads a corpus."""
        return self.corpora[corpus].kind or corpus
