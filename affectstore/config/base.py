"""Base class of all configuration models: frozen, without unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen model that refuses unknown keys.

    Attributes:
        renamed: Former name of a key -> its name today, for the message about the former one. The value may be a longer
            text, such as `tricks: {mixup: {alpha: ...}}`.
        renamed_values: Key -> former value -> its name today.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    renamed: ClassVar[Mapping[str, str]] = {}
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {}
