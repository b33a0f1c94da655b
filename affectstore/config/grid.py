"""`grid` of an experiment: the options that are swept, as dotted paths, and the values to try for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from affectstore.config.base import Settings
from affectstore.config.training import Training
from affectstore.errors import UnknownNameError

#: First parts of keys.
SWEPT = ("train", "encoder_options", "fusion_options", "baseline_options")

#: Settings of training that all combinations share -> reason.
_SHARED = {
    "monitor": "it is what combinations are compared by",
    "precision": "the device is set up once for all combinations",
    "unlabelled": "it decides which clips are read, and they are read once for all combinations",
}


def _checked(grid: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    for key, values in grid.items():
        kind, *path = key.split(".")
        if kind not in SWEPT or not path or not all(path):
            raise ValueError(f"{key!r} is no path of an option; it begins with {', '.join(f'{k}.' for k in SWEPT)}")
        if kind == "train":
            _check_training(key, path)
        if any(value == other for k, value in enumerate(values) for other in values[:k]):
            raise ValueError(f"{key!r} has the same value twice: {list(values)}")
    return grid


def _check_training(key: str, path: list[str]) -> None:
    """Check that a path ends at one setting of training, or inside a free mapping such as `tricks`."""
    model: type[Settings] = Training
    for place, name in enumerate(path):
        above = ".".join(["train", *path[:place]])
        if new := model.renamed.get(name):
            raise ValueError(str(UnknownNameError("key", name, model.model_fields, renamed_to=new, where=above)))
        if name not in model.model_fields:
            known = ", ".join(sorted(model.model_fields))
            raise ValueError(f"{key!r}: {above} has no setting {name!r}; known: {known}")
        if place == 0 and name in _SHARED:
            raise ValueError(f"{key!r} cannot be swept: {_SHARED[name]}")
        annotation = model.model_fields[name].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, Settings)):
            return
        model = annotation
    raise ValueError(f"{key!r} holds several settings; sweep one of them: {', '.join(model.model_fields)}")


Grid = Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], AfterValidator(_checked)]


def of_kinds(grid: Mapping[str, tuple[Any, ...]], kinds: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """Return the part of a grid whose keys begin with one of `kinds`."""
    return {key: values for key, values in grid.items() if key.partition(".")[0] in kinds}
