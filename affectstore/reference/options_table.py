"""Markdown table of the keys of a settings model."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def options_table(model: type[BaseModel]) -> list[str]:
    """Markdown table of a model's keys with type, default and meaning.

    Settings that occur in several places are printed once; the other places refer to the first.
    """
    rows = list(_rows(model, "", {}))
    if not rows:
        return ["No options."]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def _rows(model: type[BaseModel], prefix: str, printed: dict[type[BaseModel], str]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested, suffix = _nested(field.annotation)
        key = f"{prefix}{name}{suffix}"
        if nested is not None and nested in printed:
            yield f"| `{key}` | | | {_text(field)} Keys as under `{printed[nested]}`. |"
        elif nested is not None:
            printed[nested] = key
            yield f"| `{key}` | | | {_text(field)} |"
            yield from _rows(nested, f"{key}.", printed)
        else:
            default = "required" if field.is_required() else f"`{json.dumps(_plain(field.get_default()))}`"
            yield f"| `{key}` | {_type(field.annotation)} | {default} | {_text(field)} |"


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Model of a field's value, and the suffix of its key."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = [a for a in get_args(annotation) if a is not Ellipsis]
    if arguments and isinstance(arguments[-1], type) and issubclass(arguments[-1], BaseModel):
        return arguments[-1], ".<name>" if get_origin(annotation) is dict else "[]"
    return None, ""


def _type(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "none"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(a) for a in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    return {"str": "str", "int": "int", "float": "float", "bool": "bool", "Any": "any"}.get(
        getattr(annotation, "__name__", ""), str(annotation)
    )


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("\n", " ")
