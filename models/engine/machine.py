"""What a run was made on."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def cpu_name(cpuinfo: Path = _CPUINFO) -> str:
    """The CPU's model, as Linux lists it; elsewhere what the platform says, at least its architecture.

    Args:
        cpuinfo: Linux' list of the machine's processors.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == "model name")
    return next(filter(None, named), "") or platform.processor() or platform.machine()
