"""Error messages for pydantic's findings, which name the key, the value and the known keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from affectstore.config.base import Settings
from affectstore.errors import ConfigError, UnknownNameError, did_you_mean

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: Mapping[str, Any], where: str) -> Model:
    """Build `model` from `value`.

    Raises:
        ConfigError: Keys are unknown, renamed, missing or impossible; the message lists all of them, one per line.
    """
    try:
        return model(**value)
    except ValidationError as error:
        lines = [_line(model, finding) for finding in error.errors(include_url=False)]
        raise ConfigError(f"{where}:\n" + "\n".join(f"  {line}" for line in lines)) from None
    except TypeError:
        raise ConfigError(
            f"{where}: keys must be strings, found {[key for key in value if not isinstance(key, str)]}"
        ) from None


def _line(model: type[BaseModel], finding: Any) -> str:
    *parents, last = finding["loc"] or ("(all of it)",)
    path, value, kind = ".".join(map(str, (*parents, last))), finding.get("input"), finding["type"]
    parent = _model_at(model, tuple(parents))
    if kind in ("extra_forbidden", "literal_error") and parent is not None and issubclass(parent, Settings):
        if kind == "extra_forbidden" and (new := parent.renamed.get(str(last))):
            where = ".".join(map(str, parents))
            return str(UnknownNameError("key", str(last), parent.model_fields, renamed_to=new, where=where))
        if kind == "literal_error" and (new := parent.renamed_values.get(str(last), {}).get(str(value))):
            return str(UnknownNameError("value", str(value), (), renamed_to=new, where=path))
    if kind == "extra_forbidden":
        known = sorted(parent.model_fields) if parent is not None else []
        return f"{path}: unknown key (value {value!r}); {did_you_mean(str(last), known)}"
    if kind == "missing":
        return f"{path}: missing; {finding['msg'].lower()}"
    return f"{path}: {value!r} is not possible: {finding['msg'].removeprefix('Value error, ')}"


def _model_at(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the model of the mapping at `path` below `model`; None if it has none."""
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
    return current
