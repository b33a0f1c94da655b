"""Training job of a cell and fold, checked against its plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from affectstore.config.resolve import load_resolved
from affectstore.corpora.base import card_of
from affectstore.errors import ConfigError, StaleError, UnknownNameError
from affectstore.evaluation.classes import classes_of
from affectstore.lock import lock_job
from affectstore.models.cells.job import TrainJob
from affectstore.models.cells.parents import read_parent
from affectstore.preflight.cells import CellPlan, data_digests, plan_cells, why_unusable
from affectstore.preflight.experiments import SPLITS
from affectstore.preflight.judge import STORE
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.ledger import Ledger


def cell_job(config: Path, experiment_name: str, cell: str, fold: int, planned: str) -> TrainJob:
    """Resolve the cell of a training job and compute the digests of the data it reads.

    Raises:
        UnknownNameError: the experiment or the cell is not known.
        ConfigError: published weights that it starts from are not here.
        StaleError: this installation, or the published weights found here, give another digest of the settings than
            was planned, or a cell that this one starts or learns from was trained on something else.
    """
    lock_job()
    resolved = load_resolved(config)
    experiment = resolved.experiment(experiment_name)
    plans = {plan.cell.id: plan for plan in plan_cells(experiment_name, experiment, (fold,))}
    if cell not in plans:
        raise UnknownNameError(f"cell of experiment {experiment_name}", cell, plans)
    plan = plans[cell]
    if problem := why_unusable(experiment_name, [plan]):
        raise ConfigError(problem)
    if plan.config != planned:
        raise StaleError(
            f"{experiment_name}/{cell}: planned with settings {planned[:12]}, this installation gives "
            f"{plan.config[:12]}; is another version of affectstore installed where the job runs, or have the "
            "published weights that it starts from changed since?"
        )
    store = STORE / experiment.corpus
    split = SPLITS / experiment.corpus / f"{experiment.protocol}.parquet"
    keys: dict[str, dict[str, str]] = {}
    contents: dict[str, dict[str, str]] = {}
    for feature in set(plan.features.values()):
        entries = [
            entry
            for shard in Catalog.read(store / feature).shards
            for entry in Ledger.read(store / feature / "shards" / f"{shard.shard}.json").clips
        ]
        keys[feature] = {entry.clip_id: entry.key for entry in entries}
        contents[feature] = {entry.clip_id: f"{entry.status} {entry.digest}" for entry in entries}
    clips, table = pd.read_parquet(store / "clips.parquet"), pd.read_parquet(split)

    def digests_of(one: CellPlan, by_clip: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        seen = data_digests(experiment, clips, table, fold, one.features, by_clip, one.unlabelled)
        return {"config": one.config, **seen}

    return TrainJob(
        experiment_name=experiment_name,
        experiment=experiment,
        cell=plan.cell,
        fold=fold,
        classes=classes_of(experiment, card_of(resolved.config, experiment.corpus).labels),
        store=store,
        split=split,
        out=plan.marker.parent,
        digests=digests_of(plan, contents),
        keys=digests_of(plan, keys)["features"],
        parents={
            name: read_parent(name, plan.marker_of(name).parent, digests_of(plans[name], contents), plan.cell.id)
            for name in plan.parents
        },
        combinations=plan.combinations,
    )
