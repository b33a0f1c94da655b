"""Tables and figures of an experiment."""

from __future__ import annotations

from pathlib import Path

from affectstore.corpora.base import card_of
from affectstore.evaluation import tabulate as tables
from affectstore.evaluation.places import protocol_folds, read_metrics, unreadable
from affectstore.evaluation.runs import read_runs
from affectstore.jobs.begin import begin_job
from affectstore.paths import RESULTS


def tabulate(config: Path, experiment: str) -> str:
    """Write the tables of an experiment as CSV, Markdown and TeX, and its figures.

    Args:
        config: Resolved configuration of the run.
        experiment: The experiment.

    Returns:
        The Markdown.
    """
    resolved = begin_job(config)
    settings = resolved.experiment(experiment)
    folds = protocol_folds(settings)
    return tables.tabulate(
        name=experiment,
        experiment=settings,
        card=card_of(resolved.config, settings.corpus),
        metrics=read_metrics(experiment),
        runs=read_runs(experiment, settings, RESULTS.runs, folds),
        protocol_folds=None if folds is None else len(folds),
        unreadable=unreadable(settings.corpus),
        tables=RESULTS.table(experiment, "csv").parent,
        figures=RESULTS.figure(experiment, "bars", "svg").parent,
    )
