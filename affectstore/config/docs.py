"""docs/config.md and the JSON schemas, generated from the models: `python -m affectstore.config.docs`."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.corpora.base import CORPORA
from affectstore.features.base import EXTRACTORS

DOCS = Path("docs")


def generated() -> dict[Path, str]:
    """The generated files: path -> text."""
    return {
        DOCS / "config.md": _page(),
        DOCS / "config.schema.json": _schema(Config),
        DOCS / "experiment.schema.json": _schema(Experiment),
    }


def _page() -> str:
    lines = [
        "# Configuration",
        "",
        "Generated from the models by `make docs`; a test holds it in step. Every key that is not known is refused.",
        "JSON schemas for editors: [config](config.schema.json), [experiment](experiment.schema.json).",
        "",
        "## config.yaml",
        "",
        *_table(Config, ""),
        "",
        "## workflow/experiments/*.yaml",
        "",
        "An experiment is a file; its name is the table's name.",
        "",
        *_table(Experiment, ""),
        "",
        "## Options of the extractors",
        "",
        "`features.<instance>.options`, by the instance's `extractor`.",
        "",
    ]
    for name in EXTRACTORS.names():
        module = EXTRACTORS.load(name)
        lines += [f"### {name}", "", f"{module.SPEC.summary}", "", *_table(module.Options, ""), ""]
    lines += ["## Options of the corpora", ""]
    for name in CORPORA.names():
        module = CORPORA.load(name)
        if hasattr(module, "Options"):
            lines += [f"### {name}", "", *_table(module.Options, ""), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(model: type[BaseModel], prefix: str) -> list[str]:
    rows = list(_rows(model, prefix))
    if not rows:
        return ["No options."]
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested, suffix = _nested(field.annotation)
        key = f"{prefix}{name}{suffix}"
        if nested is not None:
            yield f"| `{key}` | | | {_text(field)} |"
            yield from _rows(nested, f"{key}.")
        else:
            default = "required" if field.is_required() else f"`{json.dumps(_plain(field.get_default()))}`"
            yield f"| `{key}` | {_type(field.annotation)} | {default} | {_text(field)} |"


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model behind a field, and how its key goes on."""
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
    return {"str": "text", "int": "whole number", "float": "number", "bool": "yes or no", "Any": "anything"}.get(
        getattr(annotation, "__name__", ""), str(annotation)
    )


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|").replace("\n", " ")


def _schema(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the generated files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
