"""A folder is a registry: a file declares one thing, and its name is the thing's name.

Adding an extractor, encoder, fusion, corpus, protocol or CLI verb means adding one file; nothing lists them. A name is
looked up without importing its neighbours, so an unused extractor's heavy dependencies are never paid for. A file that
lacks a name of its contract is refused when it is loaded, with one error that lists all of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from affectstore.declarations import check_defined, read_declaration
from affectstore.errors import UnknownNameError

T = TypeVar("T")
SpecT = TypeVar("SpecT")
OptionsT = TypeVar("OptionsT")

_NOT_ENTRIES = frozenset({"base"})


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The modules of one or more packages by public name, imported when they are loaded.

    `T` is the type of a loaded entry: a protocol with the names that such a module defines.

    Attributes:
        kind: Name of an entry in messages ("extractor").
        packages: Dotted names of the packages whose modules are entries.
        required: Names that every entry defines.
    """

    kind: str
    packages: tuple[str, ...]
    required: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """List the public names of all entries, sorted, without importing them."""
        return tuple(sorted(_modules(self.packages)))

    def module_name(self, name: str) -> str:
        """Find the dotted name of the module that declares `name`.

        Raises:
            UnknownNameError: No file of the folder has this name.
        """
        modules = _modules(self.packages)
        if name not in modules:
            raise UnknownNameError(self.kind, name, modules)
        return modules[name]

    def load(self, name: str) -> T:
        """Import the module that declares `name`.

        Raises:
            UnknownNameError: No file of the folder has this name.
            ConfigError: The module lacks names that it has to define; the message lists them and the whole contract.
        """
        module = importlib.import_module(self.module_name(name))
        check_defined(self.kind, module.__file__, vars(module), self.required)
        return cast("T", module)


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
        """Function of the file that makes the declared object; accessing it imports the file."""
        build: Callable[..., Any] = self.module.build
        return build


@dataclass(frozen=True)
class DeclarationRegistry(Registry[Declaration[SpecT, OptionsT]]):
    """A registry of files that need large libraries, such as torch, at their top.

    Planning and listings ask for `SPEC` and `Options` alone and must not pay for these libraries. So an entry is a
    `Declaration`, read from the source; the file is imported when something is built from it.
    """

    required: tuple[str, ...] = ("SPEC", "Options", "build")

    def load(self, name: str) -> Declaration[SpecT, OptionsT]:
        """Read the declaration of `name`.

        Raises:
            UnknownNameError: No file of the folder has this name.
            ConfigError: The file lacks names that it has to define, or `SPEC` and `Options` cannot be read.
        """
        return _declaration(self.kind, name, self.module_name(name), self.required)


@cache
def _declaration(kind: str, name: str, module_name: str, required: tuple[str, ...]) -> Declaration[Any, Any]:
    declared = read_declaration(module_name, ("SPEC", "Options"), kind, required)
    return Declaration(name, module_name, declared.SPEC, declared.Options)


@cache
def _modules(packages: tuple[str, ...]) -> dict[str, str]:
    """Map public names to dotted names of modules."""
    found: dict[str, str] = {}
    for package in packages:
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if info.name.startswith("_") or info.name in _NOT_ENTRIES:
                continue
            found[info.name.replace("_", "-") if package.endswith(".corpora") else info.name] = f"{package}.{info.name}"
    return found
