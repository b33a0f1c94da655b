"""House style of all Python files: openings of docstrings, lengths of files and functions, names that were replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support.python import ROOT

FOLDERS = ("affectstore", "features", "models", "benchmarks", "tests")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
QUESTION_WORDS = {"What", "Which", "Whether", "How", "Where", "When", "Who", "Whose", "Why"}

#: Former names of classes, functions, parameters and attributes.
REPLACED = frozenset(
    re.split(
        r"\s+",
        """
        Given GivenSteps takes gives fuse settled settle settle_stores heard taught leaves_out completed present_in
        emptied silenced takes_of inputs_of units Source named_sources Trainee Fitted worth lay_out _is_over read_ahead
        Means reach choose saved restamp said agree own_rows sum_of mean_of share_norms Draws moved SIDES asks reads
        asking allowed steps_of none_ahead Block perceptron Stack placed zeroed backwards deviation moments corrupted
        added are_several _subnets _split_off _equal_width _scores _told _meet Pictures grey least warm_up clip_gradient
        most_steps time_share band_masks band_share narrowed Recogniser side_by_side joins_bytes gaps per near Removal
        lookalike Found Skipped accept_gaps _outrun outrun pairings long_table tally judge sound picture pictures
        """.strip(),
    )
)

#: Folder or file -> replaced names that legitimately remain there, each with its reason.
REMAINING: dict[str, dict[str, str]] = {
    "features/base.py": {"Source": "a media file and a segment of it"},
    "affectstore/corpora/iemocap": {"_scores": "the numbers of the raters"},
    "affectstore/evaluation": {"_scores": "metrics in percent"},
}


def python_files() -> Iterator[Path]:
    """All files of the folders, but for the links that type checkers follow."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.relative_to(ROOT).parts[:2] not in (("affectstore", "features"), ("affectstore", "models")):
                yield path


FILES = {path.relative_to(ROOT).as_posix(): path for path in python_files()}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def test_docstrings_ask_no_questions() -> None:
    found = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = (ast.get_docstring(node) or "-").split()[0].rstrip(".,:;?")
                if first in QUESTION_WORDS:
                    found.append(f"{name}:{getattr(node, 'lineno', 1)}: a docstring opens with {first!r}")
    assert not found, "\n".join(found)


def test_files_are_short() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{name}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_replaced_names_do_not_return() -> None:
    """Names of the field replaced these; a word that is right in some place is listed in REMAINING."""
    found = []
    for name, tree in TREES.items():
        if name.split("/")[0] in ("affectstore", "features", "models"):
            remaining = {one for place, names in REMAINING.items() if name.startswith(place) for one in names}
            used = [(line, one) for line, one in identifiers(tree) if one in REPLACED - remaining]
            found += [f"{name}:{line}: {one}" for line, one in used]
    assert not found, "\n".join(found)


def test_remaining_names_are_in_use() -> None:
    for place, names in REMAINING.items():
        used = {one for name in FILES if name.startswith(place) for _, one in identifiers(TREES[name])}
        assert names.keys() <= used, f"{place}: delete {sorted(names.keys() - used)} from REMAINING"


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each class, function, parameter and attribute that a file defines or reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.lineno, node.target.id
