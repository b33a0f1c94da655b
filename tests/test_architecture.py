"""Layers of docs/architecture.md (kernel <- corpora <- store <- features <- models; cli on top), floors of models/."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path

import pytest
from support.python import ROOT, print_of, run_python

#: Each layer may import itself and those before it. Evaluation reads predictions, never models.
LAYERS = [
    "kernel",
    "config",
    "media",
    "corpora",
    "splits",
    "store",
    "features",
    "models",
    "evaluation",
    "preflight",
    "runner",
    "jobs",
    "reference",
    "cli",
    "testing",
]
NOT_ALLOWED = {
    "evaluation": {"models", "features"},
    "models": {"features"},
    "jobs": {"runner"},
    "reference": {"runner", "jobs", "preflight"},
}

#: Floors of models/: files of a floor import their own and lower ones. Parts of one floor do not import each other.
FLOORS = [
    ("spec",),
    ("baseline_spec",),
    ("cells", "modules"),
    ("blocks",),
    ("run_files", "seed_runner"),
    ("data",),
    ("encoders", "fusions", "losses", "baselines"),
    ("network",),
    ("training",),
    ("tricks",),
    ("baseline_fit",),
    ("sweep",),
    ("train_fold",),
]
#: Floors of store/, in the same way: containers and index below, the client on top.
STORE_FLOORS = [
    ("spec", "folders", "job_stats"),
    ("clip_arrays", "paths"),
    ("index",),
    ("containers",),
    ("shard", "statistics"),
    ("content", "feature"),
    ("writer", "commit", "verify", "aligned"),
    ("collect", "client", "listing"),
]
#: Folders of models/ in which every file is an entry that an experiment may name.
MEMBERS = ("encoders", "fusions", "baselines", "losses", "tricks")


def layer_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYERS else "kernel"


def sources() -> list[tuple[str, Path]]:
    found = []
    for folder, package in (
        (ROOT / "affectstore", "affectstore"),
        (ROOT / "features", "affectstore.features"),
        (ROOT / "models", "affectstore.models"),
    ):
        for path in sorted(folder.rglob("*.py")):
            relative = path.relative_to(folder)
            if package == "affectstore" and relative.parts[0] in ("features", "models"):
                continue  # the links for type checkers
            found.append((".".join([package, *relative.with_suffix("").parts]).removesuffix(".__init__"), path))
    return found


SOURCES = sources()
TREES = {module: ast.parse(path.read_text()) for module, path in SOURCES}


def modules_of(package: str) -> dict[str, tuple[Path, ast.Module]]:
    """Modules of a package by their names in it."""
    prefix = f"affectstore.{package}."
    return {name.removeprefix(prefix): (path, TREES[name]) for name, path in SOURCES if name.startswith(prefix)}


MODELS = modules_of("models")
STORE = modules_of("store")
#: Package -> its modules and floors.
FLOORED = {"models": (MODELS, FLOORS), "store": (STORE, STORE_FLOORS)}


def part_of(name: str) -> str:
    """File or folder directly below a package that one of its modules belongs to."""
    return name.split(".")[0]


def imported_of(package: str, tree: ast.Module) -> list[tuple[int, str]]:
    """Line and name of each module of a package that a file imports when it runs, also inside functions."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        prefix = f"affectstore.{package}."
        found += [(node.lineno, name.removeprefix(prefix)) for name in names if name.startswith(prefix)]
    return [(line, name) for line, name in found if name in FLOORED[package][0]]


def functions_of(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize(("module", "path"), SOURCES, ids=[module for module, _ in SOURCES])
def test_imports_point_down(module: str, path: Path) -> None:
    own = layer_of(module)
    if module in ("affectstore", "affectstore.__main__"):
        return  # the front door
    for node in ast.walk(TREES[module]):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name.split(".")[0] not in ("features", "models"), f"{path}:{node.lineno}: bare {name}"
            if name.startswith("affectstore"):
                other = layer_of(name)
                assert LAYERS.index(other) <= LAYERS.index(own), f"{path}:{node.lineno}: {own} imports {other} ({name})"
                assert other not in NOT_ALLOWED.get(own, ()), f"{path}:{node.lineno}: {own} imports {other} ({name})"


def test_only_the_contracts_need_pytest() -> None:
    for module, path in SOURCES:
        if not module.startswith("affectstore.testing"):
            names = [
                alias.name if isinstance(node, ast.Import) else str(node.module)
                for node in ast.walk(TREES[module])
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            ]
            assert not {"pytest", "hypothesis"} & {name.split(".")[0] for name in names}, path


@pytest.mark.parametrize(("package", "name"), [(package, name) for package in FLOORED for name in FLOORED[package][0]])
def test_imports_inside_a_package_point_down(package: str, name: str) -> None:
    modules, floors = FLOORED[package]
    floor_of = {part: number for number, floor in enumerate(floors) for part in floor}
    path, tree = modules[name]
    own = part_of(name)
    assert own in floor_of, f"{path} belongs to no floor"
    for line, imported in imported_of(package, tree):
        other = part_of(imported)
        assert other == own or floor_of[other] < floor_of[own], f"{path}:{line}: {own} imports {other} ({imported})"


@pytest.mark.parametrize("package", FLOORED)
def test_a_package_imports_in_no_circle(package: str) -> None:
    modules, _ = FLOORED[package]
    imported = {name: {other for _, other in imported_of(package, tree)} for name, (_, tree) in modules.items()}
    order = list(graphlib.TopologicalSorter(imported).static_order())
    assert set(order) == set(modules)


def test_folders_of_members_hold_members_alone() -> None:
    for folder in MEMBERS:
        names = [name for name in MODELS if part_of(name) == folder and name != folder]
        assert names, folder
        for name in names:
            path, tree = MODELS[name]
            assert name.count(".") == 1, f"{path}: a member is one file"
            assert not path.name.startswith("_"), f"{path}: helpers belong to blocks/ or training/"
            bound = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in names_of(node)}
            bound |= {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
            assert bound >= {"SPEC", "Options"}, f"{path}: a member declares SPEC and Options"
        assert len(MODELS[folder][1].body) == 1, f"models/{folder}/__init__.py is a docstring"


def names_of(node: ast.Assign) -> list[ast.Name]:
    return [target for target in node.targets if isinstance(target, ast.Name)]


def test_the_store_has_few_files() -> None:
    assert len(STORE) < 34


def test_models_are_few_files() -> None:
    beside = [name for name in MODELS if part_of(name) not in MEMBERS]
    assert len(beside) < 70


@pytest.mark.parametrize("name", [name for name in MODELS if part_of(name) in ("encoders", "fusions")])
def test_members_import_torch_at_their_top_and_have_no_optional_methods(name: str) -> None:
    path, tree = MODELS[name]
    for function in functions_of(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                text = ast.unparse(node)
                assert not re.search(r"\btorch", text), f"{path}:{node.lineno}: {text} inside a function"
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "hasattr" not in used, f"{path}: the contract says what a member has"


def test_every_package_is_shipped() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {module for module, path in SOURCES if path.name == "__init__.py"}
    assert listed == there


@pytest.mark.parametrize("name", ["features", "models"])
def test_bare_import_is_refused(name: str) -> None:
    done = run_python("-c", f"import {name}", folder=ROOT)
    assert done.returncode != 0
    assert f"import affectstore.{name}" in done.stderr


def test_reader_needs_no_heavy_package() -> None:
    code = (
        "import sys, affectstore; affectstore.open; from affectstore.store import client; "
        "print(sorted(set('torch snakemake librosa av cv2 pydantic matplotlib pytest'.split()) & set(sys.modules)))"
    )
    assert print_of(code) == "[]"


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys; from affectstore.config.resolve import read_config\n"
        "from affectstore.features.keys import features_of\n"
        "from affectstore.preflight.validate import check_config\n"
        "import affectstore.preflight.state\nr = read_config()\n"
        "check_config(r, features_of(r.config))\n"
        "print(sorted(set('torch librosa cv2 snakemake matplotlib'.split()) & set(sys.modules)))"
    )
    assert print_of(code, ROOT) == "[]"
