"""A folder is a registry: a file declares one thing, and its name is the thing's name.

Adding an extractor, encoder, fusion, corpus, protocol or CLI verb means adding one file; nothing
lists them. A name is looked up without importing its neighbours, so an unused extractor's heavy
dependencies are never paid for.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from affectstore.errors import UnknownNameError

_NOT_ENTRIES = frozenset({"base"})


@dataclass(frozen=True)
class Registry:
    """The modules of one or more packages, by public name.

    Attributes:
        kind: what an entry is called in messages ("extractor").
        packages: dotted names of the packages whose modules are entries.
    """

    kind: str
    packages: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Public names of all entries, sorted; no entry is imported."""
        return tuple(sorted(_modules(self.packages)))

    def load(self, name: str) -> ModuleType:
        """Import the module that declares `name`.

        Raises:
            UnknownNameError: no file of the folder has this name.
        """
        modules = _modules(self.packages)
        if name not in modules:
            raise UnknownNameError(self.kind, name, modules)
        return importlib.import_module(modules[name])


@cache
def _modules(packages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if info.name.startswith("_") or info.name in _NOT_ENTRIES:
                continue
            found[info.name.replace("_", "-") if package.endswith(".corpora") else info.name] = f"{package}.{info.name}"
    return found
