"""Read the declarations of a file without importing the libraries that the rest of it needs.

An encoder is one file: its `SPEC` and `Options` beside a `torch.nn.Module`. Listings, checks and planning need the
first two only, and importing torch would cost them seconds. So of the file those statements are executed that the
wanted names depend on; imports, classes and functions that nothing wanted refers to are left out. They are found at
module level, not inside `if`, `try` or `with`. Nothing is written to disk that could go stale.
"""

from __future__ import annotations

import ast
import importlib.util
import symtable
import sys
from collections.abc import Container, Sequence
from pathlib import Path
from types import ModuleType

from affectstore.errors import ConfigError

#: Ends the name of the partial module; pydantic looks up annotations in `sys.modules` by it.
_SUFFIX = "__declaration"


def read_declaration(
    module_name: str, names: Sequence[str], kind: str = "file", required: Sequence[str] = ()
) -> ModuleType:
    """Execute the statements of a module that the given names depend on.

    Args:
        module_name: Dotted name; its packages are imported, the module is not.
        names: Module-level names that are wanted.
        kind: Name of such a file in messages ("encoder").
        required: Further names that the file must define; they are not executed.

    Returns:
        A module that holds these names and those they refer to.

    Raises:
        ConfigError: The file does not define one of the names, cannot be parsed, or fails where they are defined.
    """
    found = importlib.util.find_spec(module_name)
    if found is None or found.origin is None:
        raise ConfigError(f"no source of {module_name}: {kind} files are read before they are imported")
    path = Path(found.origin)
    try:
        statements = ast.parse(path.read_text(encoding="utf-8"), str(path)).body
    except SyntaxError as error:
        raise ConfigError(f"{kind} file {path} cannot be parsed: {error}") from None
    bound = [_bound(statement) for statement in statements]
    check_defined(kind, str(path), set().union(*bound), tuple(dict.fromkeys((*names, *required))))
    partial = ModuleType(module_name + _SUFFIX)
    partial.__file__ = str(path)
    sys.modules[partial.__name__] = partial
    body = [statements[k] for k in _needed(statements, bound, set(names))]
    try:
        exec(compile(ast.Module(body, []), str(path), "exec", dont_inherit=True), vars(partial))
    except Exception as error:  # a definition fails in any way
        del sys.modules[partial.__name__]
        raise ConfigError(
            f"{kind} file {path}: {' and '.join(names)} cannot be read: {type(error).__name__}: {error}; they may "
            "refer to what the file defines or imports at its top level, outside of `if`, `try` and `with`"
        ) from error
    return partial


def check_defined(kind: str, path: str | None, defined: Container[str], required: Sequence[str]) -> None:
    """Check that a file defines all names of its contract.

    Args:
        kind: Name of such a file in messages ("encoder").
        path: The file.
        defined: Names that it defines.
        required: Names that every such file defines.

    Raises:
        ConfigError: One or more are missing; the message lists them and the whole contract.
    """
    if missing := sorted(name for name in required if name not in defined):
        raise ConfigError(
            f"{kind} file {path} does not define {' and '.join(missing)}; such a file defines "
            f"{', '.join(required)} (docs/extending.md)"
        )


def _needed(statements: Sequence[ast.stmt], bound: Sequence[set[str]], names: set[str]) -> list[int]:
    """Places of the statements that the names depend on, directly or through others, in their order."""
    kept: set[int] = set()
    while True:
        grown = {k for k, defined in enumerate(bound) if defined & names or "annotations" in defined}
        if grown == kept:
            return sorted(kept)
        for k in grown - kept:
            names |= _global_names(symtable.symtable(ast.unparse(statements[k]), "declaration", "exec"))
        kept = grown


def _global_names(scope: symtable.SymbolTable) -> set[str]:
    """Module-level names that a scope and those inside it refer to; local variables are none."""
    outermost = scope.get_type() == "module"
    names = {s.get_name() for s in scope.get_symbols() if (s.is_referenced() if outermost else s.is_global())}
    return names.union(*map(_global_names, scope.get_children()))


def _bound(statement: ast.stmt) -> set[str]:
    """Module-level names that a statement defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()
