"""A check that options of transformers share; needs no torch."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator


def heads_divide(width: str) -> Any:
    """A validator of options: `heads` divides the option of this name, so that all heads are equally wide."""

    def check(options: Any) -> Any:
        size = getattr(options, width)
        if size % options.heads:
            raise ValueError(f"`heads` ({options.heads}) must divide `{width}` ({size})")
        return options

    return model_validator(mode="after")(check)
