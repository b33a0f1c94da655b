"""Read all stored data and compare them with their digests; the exit status is 1 if anything is wrong."""

from __future__ import annotations

import argparse

HELP = "read all stored data and check every digest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore verify`."""
    parser.add_argument(
        "path", nargs="?", default="results/store", help="folder of stores, corpus or feature (default: results/store)"
    )


def main(args: argparse.Namespace) -> int:
    """Verify and print one line per feature."""
    from affectstore.store.paths import feature_folders, resolve
    from affectstore.store.verify import verify_feature, verify_tables
    from affectstore.wording import counted

    path = resolve(args.path)
    features = feature_folders(path)
    wrong = 0
    for store in sorted({feature.path.absolute().parent for feature in features}):
        for problem in verify_tables(store):
            wrong += 1
            print(f"{store.name}: {problem}")
    for feature in features:
        report = verify_feature(feature.path)
        wrong += len(report.problems)
        verdict = "intact" if not report.problems else counted(len(report.problems), "problem")
        print(f"{feature}: {report.summary}: {verdict}", flush=True)
        for line in report.problems:
            print(f"  problem: {line}")
        for line in report.notes:
            print(f"  note: {line}")
    if wrong:
        total = f"{counted(wrong, 'problem')} in {counted(len(features), 'feature')}"
        print(f"{total}: delete the data named above and extract again")
    return 1 if wrong else 0
