"""Write results/report.html: tables, figures, corpora, store and provenance on one self-contained page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectstore.config.experiment import Experiment
    from affectstore.config.resolve import Resolved
    from affectstore.evaluation.render.report import Section

HELP = "write results/report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument(
        "--experiment",
        action="append",
        default=[],
        help="an experiment that the page shows (may be repeated); by default every one that has a table",
    )


def main(args: argparse.Namespace) -> int:
    """Gather what is there and write the page."""
    from affectstore.cli._store_overview import store_overview
    from affectstore.config.resolve import load_resolved
    from affectstore.corpora.base import card_of
    from affectstore.digest import digest_file
    from affectstore.evaluation.overview import read_corpus
    from affectstore.evaluation.places import REPORT
    from affectstore.evaluation.render.report import render_report
    from affectstore.files import write_atomic
    from affectstore.lock import lock_job

    lock_job()
    resolved = load_resolved(args.config)
    sections, absent = _sections(resolved, args.experiment)
    names = dict.fromkeys(section.table.experiment.corpus for section in sections)
    store = Path("results/store")
    corpora = [read_corpus(card_of(resolved.config, corpus), store_overview(store / corpus)) for corpus in names]
    write_atomic(REPORT, render_report(sections, corpora, absent, digest_file(args.config)).encode())
    print(f"{REPORT}: {', '.join(section.name for section in sections) or 'no experiment'}")
    return 0


def _sections(resolved: Resolved, named: list[str]) -> tuple[list[Section], dict[str, str]]:
    """Experiments to show, and those that can't be shown, with the reason.

    Without names: config.yaml's in its order, then others that were run. What was named must be there.

    Raises:
        StoreError: a named experiment has no current results.
    """
    from affectstore.errors import AffectstoreError

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
        StoreError: it was not run, or its runs are not those that were scored.
    """
    from affectstore.corpora.base import card_of
    from affectstore.errors import StoreError
    from affectstore.evaluation.places import FIGURES, RUNS, protocol_folds, read_metrics, unreadable
    from affectstore.evaluation.render.report import Section
    from affectstore.evaluation.runs import read_runs
    from affectstore.evaluation.table import build_table

    experiment = resolved.experiment(name)
    folds, metrics = protocol_folds(experiment), read_metrics(name)
    runs = read_runs(name, experiment, RUNS, folds)
    _check_scored(name, experiment, tuple(dict.fromkeys(run.fold for run in runs)))
    table = build_table(
        name=name,
        experiment=experiment,
        card=card_of(resolved.config, experiment.corpus),
        metrics=metrics,
        runs=runs,
        protocol_folds=None if folds is None else len(folds),
        unreadable=unreadable(experiment.corpus),
    )
    figures = {}
    for kind in ("bars", "confusion", "curves"):
        path = FIGURES / f"{name}-{kind}.svg"
        if not path.is_file():
            raise StoreError(f"{path} is missing: `affectstore tabulate --experiment {name}` makes it")
        figures[kind] = path.read_text(encoding="utf-8")
    return Section(table, runs, figures)


def _check_scored(name: str, experiment: Experiment, folds: tuple[int, ...]) -> None:
    """A page must not show scores of runs that have been replaced since."""
    from affectstore.cli._runs_digest import current_runs_digest, scored_runs_digest
    from affectstore.errors import StoreError

    if scored_runs_digest(name) != current_runs_digest(name, experiment, folds):
        raise StoreError(f"the runs of {name} have changed since they were scored; `affectstore run {name}`")
