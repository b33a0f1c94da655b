"""Stores, features and clips as text, for the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from affectstore.errors import StoreError
from affectstore.store.feature import Feature
from affectstore.store.index.catalog import Catalog
from affectstore.store.job_stats import clip_seconds
from affectstore.store.paths import SHORT, feature_folders, resolve
from affectstore.wording import as_columns, rate_text, size_text


def list_features(path: str) -> tuple[str, bool]:
    """List the features below a path, one line each.

    Args:
        path: Folder of stores, of a corpus or of a feature.

    Returns:
        The table, and True if every published catalog could be read.
    """
    lines: list[tuple[str, ...]] = [
        ("corpus", "feature", "ok", "failed", "n.a.", "rows", "size", "rate", "ms/clip", "array", "digest", "weights")
    ]
    readable = True
    for feature in feature_folders(resolve(path)):
        try:
            catalog = Catalog.read(feature.path)
        except StoreError as error:
            published = (feature.path / "catalog.json").exists()
            readable = readable and not published
            lines.append((feature.corpus, feature.name, str(error) if published else "not published yet"))
            continue
        spec, seconds = catalog.arrays[0], clip_seconds(feature.path)
        lines.append(
            (
                feature.corpus,
                feature.name,
                *(f"{catalog.count(name):,}" for name in ("ok", "failed", "not_applicable", "rows")),
                size_text(catalog.count("bytes")),
                rate_text(catalog.rates),
                "" if seconds is None else f"{1000 * seconds:.3g}",
                f"({', '.join([spec.dims[0], *map(str, spec.shape)])}) {spec.dtype}",
                catalog.feature_digest[:SHORT],
                _weights_text(catalog.attributes),
            )
        )
    return as_columns(lines, right={2, 3, 4, 5, 6, 8}), readable


def _weights_text(attributes: Mapping[str, Any]) -> str:
    """First digits of the weights' digest, or the features with random weights among a feature and its upstream."""
    if random := attributes.get("random_weights"):
        return f"random weights: {', '.join(random)}"
    return (attributes.get("weights") or "")[:SHORT]


def describe_feature(feature: Feature, every_clip: bool = False) -> str:
    """Describe a feature: provenance, arrays, and its clips.

    Args:
        feature: The feature.
        every_clip: List every clip, not just those without arrays.
    """
    catalog = feature.catalog
    size, rate = size_text(catalog.count("bytes")), rate_text(catalog.rates)
    text = [
        f"{feature.name}: {catalog}",
        f"feature digest: {catalog.feature_digest}",
        f"stored: {catalog.count('rows'):,} rows at {rate}, {size}, {catalog.container}, format {catalog.format}",
        "\nattributes:",
        *(f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in feature.attrs.items()),
        "",
    ]
    lines = [("array", "dtype", "axes", "codec", "unit", "columns")]
    for spec in catalog.arrays:
        axes = [spec.dims[0], *(f"{name} {length}" for name, length in zip(spec.dims[1:], spec.shape, strict=True))]
        columns = ", ".join(spec.columns[:3]) + (", ..." if len(spec.columns) > 3 else "")
        lines.append((spec.name, spec.dtype, f"({', '.join(axes)})", spec.codec, spec.unit, columns))
    text.append(as_columns(lines))
    table = feature.status if every_clip else feature.status[feature.status["status"] != "ok"]
    if len(table):
        rows = table[["clip_id", "status", "rows", "reason"]].astype(str).itertuples(index=False)
        text += ["", as_columns([("clip", "status", "rows", "reason"), *rows], right={2})]
    return "\n".join(text)


def describe_clip(feature: Feature, clip_id: str) -> str:
    """Describe a clip of a feature: key, digest, time grid, and the ranges of its values."""
    entry = feature.entry(clip_id)
    text = [
        f"{feature.name}, clip {clip_id}: {entry.status}{': ' if entry.reason else ''}{entry.reason}",
        f"key: {entry.key}",
    ]
    if entry.status != "ok":
        return "\n".join(text)
    text.append(f"digest: {entry.digest}")
    grid = feature.grid(clip_id)
    if grid is not None:
        end = float(grid.edge(entry.rows))
        text.append(f"time: {entry.rows} rows at {grid.rate}/s from {float(grid.start):.6g} s to {end:.6g} s")
    lines: list[tuple[str, ...]] = [("array", "dtype", "shape", "min", "mean", "max")]
    for name, array in feature.arrays(clip_id).arrays.items():
        figures = (f"{float(figure):.6g}" for figure in (array.min(), array.mean(dtype="float64"), array.max()))
        lines.append((name, str(array.dtype), str(array.shape), *figures))
    return "\n".join([*text, "", as_columns(lines)])
