"""Tables and figures of an experiment."""

from __future__ import annotations

from pathlib import Path

from affectstore.corpora.base import card_of
from affectstore.evaluation.render.write_tables import write_tables
from affectstore.evaluation.results import read_results
from affectstore.jobs.begin import begin_job


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
    return write_tables(*read_results(experiment, settings, card_of(resolved.config, settings.corpus)))
