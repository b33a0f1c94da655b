"""Remove old data that no reader can want any more."""

from __future__ import annotations

import argparse

HELP = "remove data that are no longer named by any catalog or ledger"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore gc`."""
    parser.add_argument(
        "path", nargs="?", default="results/store", help="stores, a corpus or a feature (results/store)"
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=24.0,
        metavar="HOURS",
        help="keep what was in use within these hours: readers may still have it open, and settings that are put "
        "back find it (default: 24)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def main(args: argparse.Namespace) -> int:
    """Collect, one line a removal."""
    from affectstore.errors import StoreError
    from affectstore.store.collect import collect
    from affectstore.store.paths import feature_folders, resolve
    from affectstore.wording import size_text

    if args.grace < 0:
        raise StoreError(f"--grace {args.grace}: hours, not less than 0")
    count, freed, status = 0, 0, 0
    for feature in feature_folders(resolve(args.path)):
        try:
            removals = collect(feature.path, args.grace * 3600, dry_run=args.dry_run)
        except StoreError as error:
            print(f"{feature}: left alone: {error}")
            status = 1
            continue
        for removal in removals:
            print(f"{feature}: {removal.path.name}: {size_text(removal.bytes)}: {removal.reason}")
        count, freed = count + len(removals), freed + sum(removal.bytes for removal in removals)
    print(f"{'would remove' if args.dry_run else 'removed'} {count}, {size_text(freed)}")
    return status
