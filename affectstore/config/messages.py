"""Pydantic's findings as messages that name the key, the value and what is known."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from affectstore.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: Mapping[str, Any], where: str) -> Model:
    """Build `model` from `value`.

    Raises:
        ConfigError: every key that is unknown, missing or impossible, one a line.
    """
    try:
        return model(**value)
    except ValidationError as error:
        lines = [_line(model, finding) for finding in error.errors(include_url=False)]
        raise ConfigError(f"{where}:\n" + "\n".join(f"  {line}" for line in lines)) from None
    except TypeError:
        raise ConfigError(
            f"{where}: keys must be text, found {[key for key in value if not isinstance(key, str)]}"
        ) from None


def _line(model: type[BaseModel], finding: Any) -> str:
    path = ".".join(str(part) for part in finding["loc"]) or "(the whole)"
    value = finding.get("input")
    if finding["type"] == "extra_forbidden":
        known = sorted(_fields_at(model, finding["loc"][:-1]))
        near = difflib.get_close_matches(str(finding["loc"][-1]), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{path}: unknown key (value {value!r}); known: {', '.join(known) or 'none'}.{hint}"
    if finding["type"] == "missing":
        return f"{path}: missing; {finding['msg'].lower()}"
    return f"{path}: {value!r} is not possible: {finding['msg'].removeprefix('Value error, ')}"


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> set[str]:
    """Known keys of the model that stands at `path` below `model`."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:
            arguments = [a for a in get_args(current) if a is not Ellipsis]
            current = arguments[-1] if arguments else None
    while current is not None and not (isinstance(current, type) and issubclass(current, BaseModel)):
        models = [a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)]
        current = models[0] if models else None
    return set(current.model_fields) if current is not None else set()
