"""Drive Snakemake in passes: the store first, then the results.

Snakemake has no early cutoff inside one run. Settling again between the passes gives it: cells whose
features came out the same are not trained again.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from affectstore.cli._progress import Progress
from affectstore.cli._snakemake import run_snakemake
from affectstore.cli._targets import Targets, parse_targets
from affectstore.config.resolve import Resolved, project_root, read_config
from affectstore.models.cells.expand import expand
from affectstore.preflight import current
from affectstore.preflight.state import State, judge_runs, settle_stores


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        state: as settled after the last pass.
        targets: what was asked for.
        succeeded: whether every job did.
        dry: whether nothing was run on purpose.
        jobs: jobs run, by rule.
        failed: jobs that failed.
    """

    state: State
    targets: Targets
    succeeded: bool = True
    dry: bool = False
    jobs: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def run_passes(args: argparse.Namespace) -> Outcome:
    """Settle and build the targets of the command line.

    Raises:
        AffectstoreError: the configuration, a target or a corpus is wrong; nothing was run.
    """
    resolved = expand(read_config())  # once: editing config.yaml meanwhile changes nothing until the next run
    targets = parse_targets(args.targets, resolved)
    outcome = Outcome(_settle(targets, resolved, args.paranoid), targets, dry=args.dry_run)
    wanted = _store_targets(outcome.state, targets)
    if any(_pending(outcome.state, path) for path in wanted):
        _run_pass("store", wanted, outcome, args)
        if not args.dry_run:
            outcome.state = _settle(targets, resolved)
    if outcome.succeeded and (targets.experiments or targets.files):
        outcome.state = judge_runs(outcome.state)
        current.use(outcome.state)
        results = [*(outcome.state.targets(targets.experiments) if targets.experiments else []), *targets.files]
        _run_pass("results", results, outcome, args)
    return outcome


def _settle(targets: Targets, resolved: Resolved, paranoid: bool = False) -> State:
    state = settle_stores(
        targets.corpora(resolved), experiments=targets.experiments, paranoid=paranoid, resolved=resolved
    )
    current.use(state)
    return state


def _store_targets(state: State, targets: Targets) -> list[str]:
    """Catalogs that the targets need, each once."""
    paths: list[str] = []
    for corpus, feature in targets.features:
        paths += state.catalogs([corpus], None if feature is None else [feature])
    paths += state.published_for(targets.experiments)
    return list(dict.fromkeys(paths))


def _pending(state: State, catalog: str) -> bool:
    corpus, feature = Path(catalog).parts[-3:-1]
    return state.stores[corpus][feature].pending


def _run_pass(title: str, targets: list[str], outcome: Outcome, args: argparse.Namespace) -> None:
    root = project_root()
    profile = args.profile or root / "workflow" / "profiles" / "default"
    progress = Progress(title)
    arguments = ["--dry-run"] if args.dry_run else []
    outcome.succeeded = run_snakemake(
        targets, root=root, profile=profile, cores=args.cores, arguments=arguments, progress=progress
    )
    outcome.jobs += progress.by_rule
    outcome.failed += progress.failed
    sys.stderr.flush()
