"""Measure the budgets: `make bench`, or `python -m benchmarks.run NAME ...` for some of them.

Every file `bench_NAME.py` of this folder gives lines. docs/benchmarks.md says what they mean.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks.line import Line

HEADER = "| what | ours | baseline | ratio | budget | holds |\n|---|---|---|---|---|---|"


def main(only: list[str]) -> None:
    """Run all, or the named ones, and print the table as it grows; a copy of the whole goes to out/table.md."""
    folder = Path(__file__).parent
    names = [path.stem.removeprefix("bench_") for path in sorted(folder.glob("bench_*.py"))]
    unknown = [name for name in only if name not in names]
    if unknown:
        sys.exit(f"no benchmark {unknown[0]!r}; known: {', '.join(names)}")
    began = time.monotonic()
    table = [_machine(), "", HEADER]
    print("\n".join(table), flush=True)
    for name in only or names:
        for line in importlib.import_module(f"benchmarks.bench_{name}").lines():
            table.append(_row(line))
            print(table[-1], flush=True)
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes")
    if not only:
        out = folder / "out"
        out.mkdir(exist_ok=True)
        (out / "table.md").write_text("\n".join(table) + "\n")


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "av", "librosa", "zarr", "snakemake"))
    clips = "CREMA-D" if os.environ.get("AFFECTSTORE_DATA") else "drawn clips (AFFECTSTORE_DATA is not set)"
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}, "
        f"{packages}; {clips}"
    )


def _row(line: Line) -> str:
    holds = {True: "yes", False: "**no**", None: ""}[line.holds]
    return f"| {line.what} | {line.ours} | {line.baseline} | {line.ratio} | {line.budget} | {holds} |"


if __name__ == "__main__":
    main(sys.argv[1:])
