"""A folder is a registry: a file declares one thing, and its name is the thing's name.

Adding an extractor, encoder, fusion, corpus, protocol or CLI verb means adding one file; nothing
lists them. A name is looked up without importing its neighbours, so an unused extractor's heavy
dependencies are never paid for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Any, Generic, TypeVar

from affectstore.declarations import read_declaration
from affectstore.errors import UnknownNameError

SpecT = TypeVar("SpecT")
OptionsT = TypeVar("OptionsT")

_NOT_ENTRIES = frozenset({"base"})


@dataclass(frozen=True)
class _Folder:
    """The modules of one or more packages, by public name.

    Attributes:
        kind: Name of an entry in messages ("extractor").
        packages: Dotted names of the packages whose modules are entries.
    """

    kind: str
    packages: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Public names of all entries, sorted; no entry is imported."""
        return tuple(sorted(_modules(self.packages)))

    def module_name(self, name: str) -> str:
        """Dotted name of the module that declares `name`.

        Raises:
            UnknownNameError: No file of the folder has this name.
        """
        modules = _modules(self.packages)
        if name not in modules:
            raise UnknownNameError(self.kind, name, modules)
        return modules[name]


@dataclass(frozen=True)
class Registry(_Folder):
    """A folder whose files are imported when they are looked up."""

    def load(self, name: str) -> ModuleType:
        """Import the module that declares `name`.

        Raises:
            UnknownNameError: No file of the folder has this name.
        """
        return importlib.import_module(self.module_name(name))


@dataclass(frozen=True)
class Declaration(Generic[SpecT, OptionsT]):
    """`SPEC` and `Options` of a file, read without importing it and the libraries it needs.

    Attributes:
        name: Public name.
        module_name: Dotted name of the file.
        SPEC: Description of the entry.
        Options: Model of its options.
    """

    name: str
    module_name: str
    SPEC: SpecT
    Options: type[OptionsT]

    @cached_property
    def module(self) -> ModuleType:
        """The imported file."""
        return importlib.import_module(self.module_name)

    @property
    def build(self) -> Callable[..., Any]:
        """The file's `build`, which makes the object that is declared; accessing it imports the file."""
        build: Callable[..., Any] = self.module.build
        return build


@dataclass(frozen=True)
class DeclarationRegistry(_Folder, Generic[SpecT, OptionsT]):
    """A folder whose files need large libraries, such as torch, that planning and listings do without."""

    def load(self, name: str) -> Declaration[SpecT, OptionsT]:
        """Read the declaration of `name`; the file is imported when something is built from it.

        Raises:
            UnknownNameError: No file of the folder has this name.
            ConfigError: The file lacks `SPEC`, `Options` or `build`, or the first two cannot be read.
        """
        return _declaration(self.kind, name, self.module_name(name))


@cache
def _declaration(kind: str, name: str, module_name: str) -> Declaration[Any, Any]:
    declared = read_declaration(module_name, ("SPEC", "Options"), kind, required=("build",))
    return Declaration(name, module_name, declared.SPEC, declared.Options)


@cache
def _modules(packages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if info.name.startswith("_") or info.name in _NOT_ENTRIES:
                continue
            found[info.name.replace("_", "-") if package.endswith(".corpora") else info.name] = f"{package}.{info.name}"
    return found
