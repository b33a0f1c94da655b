"""Score an experiment's predictions: results/runs/... -> results/metrics/{experiment}.parquet."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "score an experiment's predictions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    parser.add_argument("--config", type=Path, required=True, help="resolved configuration of the run")
    parser.add_argument("--experiment", required=True, help="name of the experiment")


def main(args: argparse.Namespace) -> int:
    """Read every prediction of the experiment, check it, and write one table of metrics."""
    import io

    from affectstore.cli._runs_digest import current_runs_digest, write_runs_digest
    from affectstore.config.resolve import load_resolved
    from affectstore.corpora.base import card_of
    from affectstore.evaluation.places import RUNS, metrics_path, protocol_folds
    from affectstore.evaluation.runs import folds_found
    from affectstore.evaluation.score import score
    from affectstore.files import write_atomic
    from affectstore.lock import lock_job

    lock_job()
    resolved = load_resolved(args.config)
    experiment = resolved.experiment(args.experiment)
    labels = card_of(resolved.config, experiment.corpus).labels
    known = protocol_folds(experiment)
    folds = experiment.folds or known or folds_found(RUNS / args.experiment, experiment)
    # Taken before the predictions are read: should a run change meanwhile, the preflight asks for another scoring.
    digest = current_runs_digest(args.experiment, experiment, folds)
    table = score(args.experiment, experiment, RUNS, labels, folds)
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    path = metrics_path(args.experiment)
    write_atomic(path, content.getvalue())
    write_runs_digest(args.experiment, digest)
    print(f"{path}: {len(table)} values of {table['cell'].nunique()} cells")
    return 0
