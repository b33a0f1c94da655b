"""Processes in which importing torch, or a library built on it, fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.python import ROOT, prepended, run_python

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
    return run_python(*arguments, folder=folder, PYTHONPATH=prepended(hook))
