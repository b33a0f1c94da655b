"""`features.<instance>` of config.yaml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from affectstore.config.base import Settings


class FeatureSettings(Settings):
    """A named instance of an extractor: several settings of one extractor may live side by side."""

    extractor: str = Field(description="Name of a file in `features/`.")
    options: dict[str, Any] = Field(
        default={}, description="Options of the extractor; those not named keep their defaults."
    )
    inputs: dict[str, str] = Field(
        default={},
        description="Which instance feeds each upstream need (`{mel: mel64}`); by default the instance of that name.",
    )
    codec: Literal["none", "zstd", "jpeg", "utf8"] | None = Field(
        default=None,
        description="How the arrays are stored: none, zstd, jpeg, or utf8 (text); by default as the extractor says.",
    )
