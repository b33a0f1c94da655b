"""What a run did, in a few lines, and the exit status that says so."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TextIO

from affectstore.cli._passes import Outcome
from affectstore.evaluation.render.markdown import EVERY_ROW
from affectstore.preflight.judge import STORE

GAPS = 3


def summarise(outcome: Outcome, began: float, *, accept_gaps: bool, stream: TextIO) -> int:
    """Print the summary; return the exit status.

    Args:
        outcome: of the passes.
        began: when the run began, in seconds since the epoch.
        accept_gaps: whether skipped and failed clips count as success.
        stream: where to print.
    """
    if outcome.dry:
        _print_plan(outcome, stream)
        return 0
    clips = _clip_counts(outcome, began)
    if outcome.jobs:
        jobs = ", ".join(f"{count} {rule}" for rule, count in outcome.jobs.items())
        print(f"jobs: {jobs}", file=stream)
        if clips:
            print(f"clips: {clips['computed']} computed, {clips['reused']} reused", file=stream)
    elif outcome.succeeded:
        print("nothing to do: everything asked for is there and up to date", file=stream)
    gaps = _print_gaps(outcome, stream)
    for name in outcome.targets.experiments:
        table = Path(f"results/tables/{name}.md")
        if outcome.succeeded and table.exists():
            # Of a page with a matrix of encoders and fusions, the matrix: every row would not fit on a screen.
            shown, more, _ = table.read_text(encoding="utf-8").partition(f"\n{EVERY_ROW}\n")
            print(f"\n{shown}", file=stream)
            rest = " (every row, and what was skipped)" if more else ""
            print(f"table: {table}{rest}   report: results/report.html", file=stream)
    if not outcome.succeeded:
        failed = ", ".join(outcome.failed) or "see the messages above"
        print(f"failed: {failed}; logs are below logs/", file=stream)
        return 1
    return GAPS if gaps and not accept_gaps else 0


def _clip_counts(outcome: Outcome, began: float) -> Counter[str]:
    """Clips computed and reused by the extraction jobs of this run."""
    counts: Counter[str] = Counter()
    for corpus in outcome.state.stores:
        for path in (STORE / corpus).glob("*/shards/*.stats"):
            if path.stat().st_mtime >= began:
                stats = json.loads(path.read_text())
                counts["computed"] += stats["computed"]
                counts["reused"] += stats["reused"]
    return counts


def _print_gaps(outcome: Outcome, stream: TextIO) -> bool:
    """Print what is missing from the data; True where anything is."""
    gaps = False
    for corpus in (corpus for corpus, feature in outcome.targets.features if feature is None):
        for feature, reason in outcome.state.features.unusable.items():
            gaps = True
            print(f"{corpus}/{feature}: not computed: {reason}", file=stream)
    for corpus, manifest in outcome.state.manifests.items():
        for line in manifest.summary:
            print(f"{corpus}: {line}", file=stream)
        if manifest.skipped:
            gaps = True
            print(f"{corpus}: {len(manifest.skipped)} skipped, see results/manifests/{corpus}.skipped.tsv", file=stream)
        for feature, state in outcome.state.stores[corpus].items():
            entries = [entry for ledger in state.ledgers.values() for entry in ledger.clips if entry.status == "failed"]
            if entries:
                gaps = True
                first = f"{entries[0].clip_id}: {entries[0].reason}"
                print(f"{corpus}/{feature}: {len(entries)} clips failed ({first})", file=stream)
    return gaps


def _print_plan(outcome: Outcome, stream: TextIO) -> None:
    """Print what a run would do, and why."""
    for corpus, store in outcome.state.stores.items():
        for feature, state in store.items():
            for reason, count in Counter(state.missing.values()).items():
                print(f"extract {corpus}/{feature}: {count} shards ({reason})", file=stream)
            if state.pending and not state.missing:
                print(f"commit {corpus}/{feature}: the catalog is not of these ledgers", file=stream)
    for name in outcome.targets.experiments:
        for reason, count in Counter(outcome.state.experiments[name].missing.values()).items():
            print(f"train {name}: {count} cells x folds ({reason})", file=stream)
