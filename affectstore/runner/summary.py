"""Summary of a run in a few lines, and its exit status."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from affectstore.evaluation.render.markdown import EVERY_ROW
from affectstore.paths import RESULTS
from affectstore.runner.passes import Outcome
from affectstore.store.job_stats import read_stats

#: Exit status where everything was built, but clips were skipped or failed.
INCOMPLETE = 3


def summarise(outcome: Outcome, began: float, *, allow_incomplete: bool, stream: TextIO) -> int:
    """Print a summary.

    Args:
        outcome: Outcome of the run.
        began: Start of the run in seconds since the epoch.
        allow_incomplete: Count skipped and failed clips as success.
        stream: Stream to print to.

    Returns:
        The exit status.
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
    incomplete = _print_incomplete(outcome, stream)
    for name in outcome.targets.experiments:
        table = RESULTS.table(name, "md")
        if outcome.succeeded and table.exists():
            # Of a page with a matrix, the matrix alone: every row would not fit on a screen.
            shown, more, _ = table.read_text(encoding="utf-8").partition(f"\n{EVERY_ROW}\n")
            print(f"\n{shown}", file=stream)
            rest = " (every row, and what was skipped)" if more else ""
            print(f"table: {table}{rest}   report: {RESULTS.report}", file=stream)
    if not outcome.succeeded:
        failed = ", ".join(outcome.failed) or "see the messages above"
        print(f"failed: {failed}; logs are below logs/", file=stream)
        return 1
    return INCOMPLETE if incomplete and not allow_incomplete else 0


def _clip_counts(outcome: Outcome, began: float) -> Counter[str]:
    """Clips computed and reused by the extraction jobs of this run."""
    counts: Counter[str] = Counter()
    for corpus in outcome.state.stores:
        for path in RESULTS.store(corpus).glob("*/shards/*.stats"):
            if path.stat().st_mtime >= began:
                counts.update({kind: read_stats(path).get(kind, 0) for kind in ("computed", "reused")})
    return counts


def _print_incomplete(outcome: Outcome, stream: TextIO) -> bool:
    """Print which clips and features are missing; True if any are."""
    incomplete = False
    for corpus in (corpus for corpus, feature in outcome.targets.features if feature is None):
        for feature, reason in outcome.state.features.unusable.items():
            incomplete = True
            print(f"{corpus}/{feature}: not computed: {reason}", file=stream)
    for corpus, manifest in outcome.state.manifests.items():
        for line in manifest.summary:
            print(f"{corpus}: {line}", file=stream)
        if manifest.skipped:
            incomplete = True
            print(f"{corpus}: {len(manifest.skipped)} skipped, see {RESULTS.skipped(corpus)}", file=stream)
        for feature, state in outcome.state.stores[corpus].items():
            entries = [entry for ledger in state.ledgers.values() for entry in ledger.clips if entry.status == "failed"]
            if entries:
                incomplete = True
                first = f"{entries[0].clip_id}: {entries[0].reason}"
                print(f"{corpus}/{feature}: {len(entries)} clips failed ({first})", file=stream)
    return incomplete


def _print_plan(outcome: Outcome, stream: TextIO) -> None:
    """Print the jobs of a dry run with their reasons."""
    for corpus, store in outcome.state.stores.items():
        for feature, state in store.items():
            for reason, count in Counter(state.missing.values()).items():
                print(f"extract {corpus}/{feature}: {count} shards ({reason})", file=stream)
            if state.pending and not state.missing:
                print(f"commit {corpus}/{feature}: the catalog is not of these ledgers", file=stream)
    for name in outcome.targets.experiments:
        for reason, count in Counter(outcome.state.experiments[name].missing.values()).items():
            print(f"train {name}: {count} cells x folds ({reason})", file=stream)
