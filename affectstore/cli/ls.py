"""List what the stores hold: one line a feature."""

from __future__ import annotations

import argparse

HELP = "list corpora and features"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore ls`."""
    parser.add_argument(
        "path", nargs="?", default="results/store", help="stores, a corpus or a feature (results/store)"
    )


def main(args: argparse.Namespace) -> int:
    """Print the listing."""
    from affectstore.cli._columns import as_columns
    from affectstore.cli._store import rate_text, weights_text
    from affectstore.errors import StoreError
    from affectstore.jobs.stats import clip_seconds
    from affectstore.store.index.catalog import Catalog
    from affectstore.store.paths import SHORT, feature_folders, resolve
    from affectstore.wording import size_text

    lines: list[tuple[str, ...]] = [
        ("corpus", "feature", "ok", "failed", "n.a.", "rows", "size", "rate", "ms/clip", "array", "digest", "weights")
    ]
    status = 0
    for feature in feature_folders(resolve(args.path)):
        try:
            catalog = Catalog.read(feature.path)
        except StoreError as error:
            reason = "not published yet" if not (feature.path / "catalog.json").exists() else str(error)
            status = status if reason == "not published yet" else 1
            lines.append((feature.corpus, feature.name, reason))
            continue
        spec = catalog.arrays[0]
        lines.append(
            (
                feature.corpus,
                feature.name,
                *(f"{catalog.count(name):,}" for name in ("ok", "failed", "not_applicable", "rows")),
                size_text(catalog.count("bytes")),
                rate_text(catalog.rates),
                _cost(clip_seconds(feature.path)),
                f"({', '.join([spec.dims[0], *map(str, spec.shape)])}) {spec.dtype}",
                catalog.feature_digest[:SHORT],
                weights_text(catalog.attributes),
            )
        )
    print(as_columns(lines, right={2, 3, 4, 5, 6, 8}))
    return status


def _cost(seconds: float | None) -> str:
    """Milliseconds that a clip took where it was computed; nothing where that is not known."""
    return "" if seconds is None else f"{1000 * seconds:.3g}"
