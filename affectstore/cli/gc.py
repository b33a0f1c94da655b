"""Remove data folders that no catalog or ledger names any more."""

from __future__ import annotations

import argparse

HELP = "remove data that no catalog or ledger names any more"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore gc`."""
    parser.add_argument(
        "path", nargs="?", default="results/store", help="folder of stores, corpus or feature (default: results/store)"
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=24.0,
        metavar="HOURS",
        help="keep data that were in use within these hours, for readers that have them open and settings that are "
        "changed back (default: 24)",
    )
    parser.add_argument("--dry-run", action="store_true", help="list what would be removed, and remove nothing")


def main(args: argparse.Namespace) -> int:
    """Remove and print one line for each removal; the exit status is 1 if a feature could not be read."""
    from affectstore.errors import StoreError
    from affectstore.store.collect import collect
    from affectstore.store.paths import feature_folders, resolve
    from affectstore.wording import size_text

    if args.grace < 0:
        raise StoreError(f"--grace {args.grace}: must be a number of hours, 0 or more")
    count, freed, status = 0, 0, 0
    for feature in feature_folders(resolve(args.path)):
        try:
            removals = collect(feature.path, args.grace * 3600, dry_run=args.dry_run)
        except StoreError as error:
            print(f"{feature}: not changed: {error}")
            status = 1
            continue
        for removal in removals:
            print(f"{feature}: {removal.path.name}: {size_text(removal.bytes)}: {removal.reason}")
        count, freed = count + len(removals), freed + sum(removal.bytes for removal in removals)
    print(f"{'would remove' if args.dry_run else 'removed'} {count}, {size_text(freed)}")
    return status
