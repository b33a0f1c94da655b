"""Look through corpora: find their clips, read new and changed media, say what is there and what is left out.

This is what every run does first. Manifests go to results/manifests/, with a reason for each clip left out.
"""

from __future__ import annotations

import argparse

HELP = "look through corpora: what is there, what is left out and why"
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `affectstore scan`."""
    parser.add_argument("corpus", nargs="*", help="corpora of config.yaml; none: all that can be found")
    parser.add_argument("--paranoid", action="store_true", help="read every media file again, whatever its time says")


def main(args: argparse.Namespace) -> int:
    """Scan and plan; the exit status is 3 where files or clips were left out."""
    from affectstore.cli._summary import GAPS
    from affectstore.preflight.scan import manifest_path
    from affectstore.preflight.state import settle_stores

    state = settle_stores(args.corpus or None, paranoid=args.paranoid)
    gaps = False
    for corpus, manifest in state.manifests.items():
        path = manifest_path(corpus)
        print(f"{corpus}: {path}")
        for line in manifest.summary:
            print(f"  {line}")
        gaps |= bool(manifest.skipped)
        for skipped in manifest.skipped[:_SHOWN]:
            print(f"  left out {skipped.path or skipped.clip_id}: {skipped.reason}")
        if len(manifest.skipped) > _SHOWN:
            print(f"  ... {len(manifest.skipped)} in all, see {path.with_suffix('.skipped.tsv')}")
    for corpus, problem in state.problems.items():
        print(f"{corpus}: {problem}")
    return GAPS if gaps else 0
