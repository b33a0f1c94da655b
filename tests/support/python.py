"""Python in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(**variables: str) -> dict[str, str]:
    """Environment of a process: this one's, with one thread and further variables."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **variables}


def prepended(*folders: Path) -> str:
    """PYTHONPATH with folders before those that it has."""
    return os.pathsep.join([*map(os.fspath, folders), *filter(None, [os.environ.get("PYTHONPATH")])])


def run_python(
    *arguments: str, folder: Path | None = None, tests: bool = False, timeout_s: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python to its end.

    Args:
        arguments: Arguments of Python, such as "-m", "affectstore", "run".
        folder: Working folder.
        tests: True if it imports `support`.
        timeout_s: Seconds after which it is stopped.
        variables: Further variables of its environment.
    """
    if tests:
        variables["PYTHONPATH"] = prepended(ROOT / "tests")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def print_of(code: str, folder: Path | None = None) -> str:
    """Run a program that must not fail; return its output without the final newline."""
    done = run_python("-c", code, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
