"""Make an experiment's tables and figures: results/tables/{experiment}.* and results/figures/{experiment}-*."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make an experiment's tables and figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--experiment", required=True, help="name of the experiment")


def main(args: argparse.Namespace) -> int:
    """Write CSV, Markdown, TeX and figures, and print the table."""
    from affectstore.config.resolve import load_resolved
    from affectstore.corpora.base import card_of
    from affectstore.evaluation.places import FIGURES, RUNS, TABLES, protocol_folds, read_metrics, unreadable
    from affectstore.evaluation.render.tabulate import tabulate
    from affectstore.evaluation.runs import read_runs
    from affectstore.lock import lock_job

    lock_job()
    name = args.experiment
    resolved = load_resolved(args.config)
    experiment = resolved.experiment(name)
    folds = protocol_folds(experiment)
    text = tabulate(
        name=name,
        experiment=experiment,
        card=card_of(resolved.config, experiment.corpus),
        metrics=read_metrics(name),
        runs=read_runs(name, experiment, RUNS, folds),
        protocol_folds=None if folds is None else len(folds),
        unreadable=unreadable(experiment.corpus),
        tables=TABLES,
        figures=FIGURES,
    )
    print(text)
    return 0
