"""The arrows of docs/architecture.md: kernel <- corpora <- store <- features <- models; cli above all."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

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
    "cli",
]
NOT_ALLOWED = {"evaluation": {"models", "features"}, "models": {"features"}, "splits": {"store"}}


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


@pytest.mark.parametrize(("module", "path"), SOURCES, ids=[module for module, _ in SOURCES])
def test_imports_point_down(module: str, path: Path) -> None:
    own = layer_of(module)
    if module in ("affectstore", "affectstore.__main__", "affectstore.config.check", "affectstore.config.docs"):
        return  # the front door, and what looks at all the folders
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name.split(".")[0] not in ("features", "models"), f"{path}:{node.lineno}: bare {name}"
            if name.startswith("affectstore"):
                other = layer_of(name)
                assert LAYERS.index(other) <= LAYERS.index(own), f"{path}:{node.lineno}: {own} imports {other} ({name})"
                assert other not in NOT_ALLOWED.get(own, ()), f"{path}:{node.lineno}: {own} imports {other} ({name})"


def test_no_file_is_long() -> None:
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for _, p in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_every_package_is_shipped() -> None:
    import tomllib

    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {module for module, path in SOURCES if path.name == "__init__.py"}
    assert listed == there


@pytest.mark.parametrize("name", ["features", "models"])
def test_bare_import_is_refused(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"import affectstore.{name}" in done.stderr


def test_reader_needs_no_heavy_package() -> None:
    code = (
        "import sys, affectstore; affectstore.open; from affectstore.store import client; "
        "print(sorted(set('torch snakemake librosa av cv2 pydantic matplotlib'.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys; from affectstore.config.resolve import read_config\n"
        "from affectstore.features.keys import features_of\n"
        "from affectstore.config.check import check_names\nimport affectstore.preflight.state\nr = read_config()\n"
        "check_names(r, features_of(r.config))\n"
        "print(sorted(set('torch librosa cv2 snakemake matplotlib'.split()) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
