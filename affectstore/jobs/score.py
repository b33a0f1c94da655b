"""Scoring of an experiment's predictions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd

from affectstore.corpora.base import card_of
from affectstore.evaluation import score as scoring
from affectstore.evaluation.results import protocol_folds
from affectstore.evaluation.runs import folds_found
from affectstore.files import write_atomic
from affectstore.jobs.begin import begin_job
from affectstore.paths import RESULTS
from affectstore.preflight.stale_runs import current_runs_digest


def score(config: Path, experiment: str) -> pd.DataFrame:
    """Check and score every prediction of an experiment, and write one table of metrics.

    Args:
        config: Resolved configuration of the run.
        experiment: The experiment.

    Returns:
        The table, as it is written to results/metrics/.
    """
    resolved = begin_job(config)
    settings = resolved.experiment(experiment)
    labels = card_of(resolved.config, settings.corpus).labels
    folds = settings.folds or protocol_folds(settings) or folds_found(RESULTS.runs / experiment, settings)
    # Taken before the predictions are read: should a run change meanwhile, the preflight asks for another scoring.
    digest = current_runs_digest(experiment, settings, folds)
    table = scoring.score(experiment, settings, RESULTS.runs, labels, folds)
    content = io.BytesIO()
    table.to_parquet(content, index=False)
    write_atomic(RESULTS.metrics(experiment), content.getvalue())
    write_atomic(RESULTS.scored_runs(experiment), (json.dumps({"runs": digest}) + "\n").encode())
    return table
