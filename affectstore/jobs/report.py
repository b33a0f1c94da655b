"""Report: tables, figures, corpora, store and provenance on one self-contained page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from affectstore.config.resolve import Resolved
from affectstore.corpora.base import card_of
from affectstore.digest import digest_file
from affectstore.errors import AffectstoreError, StoreError
from affectstore.evaluation.overview import FeatureOverview, read_corpus
from affectstore.evaluation.render.report import Section, render_report
from affectstore.evaluation.results import read_results
from affectstore.files import write_atomic
from affectstore.jobs.begin import begin_job
from affectstore.paths import FIGURES, RESULTS
from affectstore.preflight.stale_runs import current_runs_digest, scored_runs_digest
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import ledger_files


def report(config: Path, experiments: Sequence[str] = ()) -> list[str]:
    """Write results/report.html.

    Args:
        config: Resolved configuration of the run.
        experiments: Experiments to show, which must have current results; empty for all that have.

    Returns:
        Names of the experiments on the page.

    Raises:
        StoreError: A named experiment has no current results.
    """
    resolved = begin_job(config)
    sections, absent = _sections(resolved, experiments)
    names = dict.fromkeys(section.table.experiment.corpus for section in sections)
    corpora = [read_corpus(card_of(resolved.config, name), _features(RESULTS.store(name))) for name in names]
    write_atomic(RESULTS.report, render_report(sections, corpora, absent, digest_file(config)).encode())
    return [section.name for section in sections]


def _sections(resolved: Resolved, named: Sequence[str]) -> tuple[list[Section], dict[str, str]]:
    """Experiments to show, and name -> reason of config.yaml's that cannot be shown.

    Without names: config.yaml's in its order, then others that were run.
    """
    sections, absent = [], {}
    for name in dict.fromkeys(named or [*resolved.config.experiments, *sorted(resolved.experiments)]):
        try:
            sections.append(_section(resolved, name))
        except AffectstoreError as error:
            if named:
                raise
            if name in resolved.config.experiments:
                absent[name] = str(error)
    return sections, absent


def _section(resolved: Resolved, name: str) -> Section:
    """Results of one experiment, as `tabulate` left them.

    Raises:
        StoreError: It was not run, or its runs were replaced after they were scored.
    """
    experiment = resolved.experiment(name)
    table, runs = read_results(name, experiment, card_of(resolved.config, experiment.corpus))
    if scored_runs_digest(name) != current_runs_digest(name, experiment, tuple(dict.fromkeys(r.fold for r in runs))):
        raise StoreError(f"the runs of {name} have changed since they were scored; `affectstore run {name}`")
    figures = {}
    for figure in FIGURES:
        path = RESULTS.figure(name, figure, "svg")
        if not path.is_file():
            raise StoreError(f"{path} is missing: `affectstore tabulate --experiment {name}` makes it")
        figures[figure] = path.read_text(encoding="utf-8")
    return Section(table, runs, figures)


def _features(folder: Path) -> tuple[FeatureOverview, ...]:
    """Features of a store by name, counted from their ledgers.

    Raises:
        IntegrityError: A ledger is damaged.
    """
    found = []
    for feature in sorted(path for path in folder.glob("*") if (path / "shards").is_dir()):
        ledgers = [Ledger.read(path) for path in ledger_files(feature).values()]
        entries = [entry for ledger in ledgers for entry in ledger.clips]
        if ledgers:
            found.append(
                FeatureOverview(
                    name=feature.name,
                    shards=len(ledgers),
                    statuses=Counter(entry.status for entry in entries),
                    reasons=dict(Counter(entry.reason for entry in entries if entry.status == "failed").most_common()),
                    rows=sum(ledger.rows for ledger in ledgers),
                    bytes=sum(ledger.size_bytes for ledger in ledgers),
                    digest=", ".join(sorted({ledger.feature_digest[:12] for ledger in ledgers})),
                )
            )
    return tuple(found)
