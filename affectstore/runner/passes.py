"""Running the workflow in passes: the store first, then the results.

Snakemake has no early cutoff inside one run. Planning again between the passes provides it: cells whose features came
out the same are not trained again.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affectstore.config.resolve import project_root, read_config
from affectstore.models.cells.expand import expand
from affectstore.preflight.handover import handed_over
from affectstore.preflight.state import State, plan_runs, plan_stores
from affectstore.runner.progress import Progress
from affectstore.runner.snakemake import run_snakemake
from affectstore.runner.targets import Targets, parse_targets


@dataclass
class Outcome:
    """Outcome of a run.

    Attributes:
        state: Planned state after the last pass.
        targets: Targets of the run.
        succeeded: True if every job succeeded.
        dry: True if nothing was run on purpose.
        jobs: Rule -> number of jobs run.
        failed: Jobs that failed.
    """

    state: State
    targets: Targets
    succeeded: bool = True
    dry: bool = False
    jobs: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


def run(
    targets: Sequence[str] = (),
    *,
    cores: int | None = None,
    profile: Path | None = None,
    dry_run: bool = False,
    paranoid: bool = False,
) -> Outcome:
    """Plan and build targets, as `affectstore run` does.

    Args:
        targets: Corpora, `corpus/feature`, experiments, or files below results/; empty for the default experiments.
        cores: Number of cores; None for the profile's.
        profile: Folder of a Snakemake profile; None for workflow/profiles/default.
        dry_run: Plan, and run nothing.
        paranoid: Hash every media file again, even if its size and time are unchanged.

    Raises:
        AffectstoreError: The configuration, a target or a corpus is wrong; nothing was run.
        KeyboardInterrupt: The jobs have been stopped.
    """
    resolved = expand(read_config())  # once: editing config.yaml meanwhile changes nothing until the next run
    parsed = parse_targets(targets, resolved)
    profile = profile or project_root() / "workflow" / "profiles" / "default"

    def plan(paranoid: bool = False) -> State:
        return plan_stores(
            parsed.corpora(resolved), experiments=parsed.experiments, paranoid=paranoid, resolved=resolved
        )

    outcome = Outcome(plan(paranoid), parsed, dry=dry_run)
    catalogs = _catalogs(outcome.state, parsed)
    if any(_is_pending(outcome.state, path) for path in catalogs):
        _run_pass("store", catalogs, outcome, cores, profile)
        if not dry_run:
            outcome.state = plan()
    if outcome.succeeded and (parsed.experiments or parsed.files):
        outcome.state = plan_runs(outcome.state)
        results = outcome.state.targets(parsed.experiments) if parsed.experiments else []
        _run_pass("results", [*results, *parsed.files], outcome, cores, profile)
    return outcome


def _catalogs(state: State, targets: Targets) -> list[str]:
    """Catalogs that the targets need, each once."""
    paths: list[str] = []
    for corpus, feature in targets.features:
        paths += state.catalogs([corpus], None if feature is None else [feature])
    paths += state.published_for(targets.experiments)
    return list(dict.fromkeys(paths))


def _is_pending(state: State, catalog: str) -> bool:
    corpus, feature = Path(catalog).parts[-3:-1]
    return state.stores[corpus][feature].pending


def _run_pass(title: str, targets: list[str], outcome: Outcome, cores: int | None, profile: Path) -> None:
    progress = Progress(title)
    with handed_over(outcome.state):
        outcome.succeeded = run_snakemake(
            targets, root=project_root(), profile=profile, cores=cores, dry_run=outcome.dry, progress=progress
        )
    outcome.jobs += progress.by_rule
    outcome.failed += progress.failed
    sys.stderr.flush()
