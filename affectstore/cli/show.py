"""Show what a feature is and how its clips fared, or one clip of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectstore.store.feature import Feature

HELP = "show a feature's provenance, arrays and clips"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore show`."""
    parser.add_argument("feature", help="folder of a feature, CORPUS/FEATURE, or an fsspec address")
    parser.add_argument("clip", nargs="?", help="one clip: its rows, time grid, digest and value ranges")
    parser.add_argument("--clips", action="store_true", help="list every clip, not just those without arrays")


def main(args: argparse.Namespace) -> int:
    """Print the feature or the clip."""
    from affectstore.cli._store import open_feature

    feature = open_feature(args.feature)
    if args.clip is None:
        _show_feature(feature, args.clips)
    else:
        _show_clip(feature, args.clip)
    return 0


def _show_feature(feature: Feature, every_clip: bool) -> None:
    import json

    from affectstore.cli._columns import as_columns
    from affectstore.cli._store import rate_text
    from affectstore.wording import size_text

    catalog = feature.catalog
    print(f"{feature.name}: {catalog}")
    print(f"feature digest: {catalog.feature_digest}")
    print(
        f"stored: {catalog.count('rows'):,} rows at {rate_text(catalog.rates)}, {size_text(catalog.count('bytes'))}, "
        f"{catalog.container}, format {catalog.format}"
    )
    print("\nattributes:")
    for name, value in feature.attrs.items():
        print(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    print()
    lines = [("array", "dtype", "axes", "codec", "unit", "columns")]
    for spec in catalog.arrays:
        axes = [spec.dims[0], *(f"{name} {length}" for name, length in zip(spec.dims[1:], spec.shape, strict=True))]
        columns = ", ".join(spec.columns[:3]) + (", ..." if len(spec.columns) > 3 else "")
        lines.append((spec.name, spec.dtype, f"({', '.join(axes)})", spec.codec, spec.unit, columns))
    print(as_columns(lines))
    table = feature.status if every_clip else feature.status[feature.status["status"] != "ok"]
    if len(table):
        print()
        rows = table[["clip_id", "status", "rows", "reason"]].astype(str).itertuples(index=False)
        print(as_columns([("clip", "status", "rows", "reason"), *rows], right={2}))


def _show_clip(feature: Feature, clip_id: str) -> None:
    from affectstore.cli._columns import as_columns

    entry = feature.entry(clip_id)
    print(f"{feature.name}, clip {clip_id}: {entry.status}{': ' if entry.reason else ''}{entry.reason}")
    print(f"key: {entry.key}")
    if entry.status != "ok":
        return
    print(f"digest: {entry.digest}")
    grid = feature.grid(clip_id)
    if grid is not None:
        end = float(grid.edge(entry.rows))
        print(f"time: {entry.rows} rows at {grid.rate}/s from {float(grid.start):.6g} s to {end:.6g} s")
    lines: list[tuple[str, ...]] = [("array", "dtype", "shape", "least", "mean", "most")]
    for name, array in feature.arrays(clip_id).arrays.items():
        figures = (f"{float(figure):.6g}" for figure in (array.min(), array.mean(dtype="float64"), array.max()))
        lines.append((name, str(array.dtype), str(array.shape), *figures))
    print()
    print(as_columns(lines))
