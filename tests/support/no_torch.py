"""Processes in which importing torch, or a library built on it, fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tiny_project import ROOT, environment

#: Run by every Python process whose PYTHONPATH names its folder, also by those that it starts.
HOOK = """
import sys

FORBIDDEN = {"torch", "torchvision", "transformers", "lightning_fabric", "safetensors"}

class Forbid:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise RuntimeError(f"{name} is imported, and nothing is computed here")

sys.meta_path.insert(0, Forbid)
"""


def run_without_torch(hook: Path, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder; it, and every Python that it starts, fails where it imports torch.

    Args:
        hook: Folder for the hook.
        arguments: Of Python.
        folder: Working folder.
    """
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    paths = os.pathsep.join(filter(None, (str(hook), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(PYTHONPATH=paths),
        capture_output=True,
        text=True,
        timeout=300,
    )
