"""Model of `features.<instance>` of config.yaml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from affectstore.config.base import Settings


class FeatureSettings(Settings):
    """A named instance of an extractor; one extractor may have several instances."""

    extractor: str = Field(description="Name of a file in `features/`.")
    options: dict[str, Any] = Field(default={}, description="Options of the extractor; others have their defaults.")
    inputs: dict[str, str] = Field(
        default={},
        description="Upstream feature -> instance that is read (`{mel: mel64}`); by default the instance of that name.",
    )
    codec: Literal["none", "zstd", "jpeg", "utf8"] | None = Field(
        default=None,
        description="Compression of the arrays: none, zstd, jpeg, or utf8 (text); by default that of the extractor.",
    )
