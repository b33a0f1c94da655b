"""Measure the budgets: `make bench`. Every file `bench_*.py` of this folder gives lines; seconds are medians."""

from __future__ import annotations

import importlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.line import Line

HEADER = "| what | ours | baseline | ratio | budget | holds |\n|---|---|---|---|---|---|"


def main(only: list[str]) -> None:
    """Run all, or the named ones, and print the table as it grows; a copy goes to benchmarks/out/table.md."""
    folder = Path(__file__).parent
    names = sorted(path.stem for path in folder.glob("bench_*.py"))
    rows: list[Line] = []
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}", flush=True)
    print(f"torch {version('torch')}, zarr {version('zarr')}, librosa {version('librosa')}\n{HEADER}", flush=True)
    for name in names:
        if only and name.removeprefix("bench_") not in only:
            continue
        for line in importlib.import_module(f"benchmarks.{name}").lines():
            rows.append(line)
            print(_row(line), flush=True)
    if not only:
        out = folder / "out"
        out.mkdir(exist_ok=True)
        (out / "table.md").write_text("\n".join([HEADER, *map(_row, rows)]) + "\n")


def _row(line: Line) -> str:
    holds = {True: "yes", False: "**no**", None: ""}[line.holds]
    return f"| {line.what} | {line.ours} | {line.baseline} | {line.ratio} | {line.budget} | {holds} |"


if __name__ == "__main__":
    main(sys.argv[1:])
