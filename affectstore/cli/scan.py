"""Scan corpora: find their clips, read new and changed media, and list what is left out.

Every run begins with a scan. It writes results/manifests/, with a reason for each clip that is left out.
"""

from __future__ import annotations

import argparse

HELP = "scan corpora, and list the clips that are left out with reasons"
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `affectstore scan`."""
    parser.add_argument("corpus", nargs="*", help="corpora of config.yaml (default: all whose folders exist)")
    parser.add_argument("--paranoid", action="store_true", help="read every media file again, even if unchanged")


def main(args: argparse.Namespace) -> int:
    """Scan and plan; the exit status is 3 if files or clips were left out."""
    from affectstore.paths import RESULTS
    from affectstore.preflight.state import plan_stores
    from affectstore.runner.summary import INCOMPLETE

    state = plan_stores(args.corpus or None, paranoid=args.paranoid)
    incomplete = False
    for corpus, manifest in state.manifests.items():
        print(f"{corpus}: {RESULTS.manifest(corpus)}")
        for line in manifest.summary:
            print(f"  {line}")
        incomplete |= bool(manifest.skipped)
        for skipped in manifest.skipped[:_SHOWN]:
            print(f"  left out {skipped.path or skipped.clip_id}: {skipped.reason}")
        if len(manifest.skipped) > _SHOWN:
            print(f"  ... {len(manifest.skipped)} in all, see {RESULTS.skipped(corpus)}")
    for corpus, problem in state.problems.items():
        print(f"{corpus}: {problem}")
    return INCOMPLETE if incomplete else 0
