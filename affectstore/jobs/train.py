"""Training of a cell on one fold, all its seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from affectstore.corpora.base import card_of
from affectstore.errors import StaleError, UnknownNameError
from affectstore.evaluation.classes import classes_of
from affectstore.jobs.begin import begin_job
from affectstore.models.cells.job import TrainJob
from affectstore.models.cells.parents import read_parent
from affectstore.models.train_fold import train_fold
from affectstore.paths import RESULTS
from affectstore.preflight.cells import CellPlan, data_digests, plan_cells
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.ledger import Ledger


def train(
    config: Path,
    experiment: str,
    cell: str,
    fold: int,
    digest: str,
    *,
    threads: int | None = None,
    processes: int = 1,
) -> None:
    """Train a cell on one fold, all its seeds.

    Args:
        config: Resolved configuration of the run.
        experiment: The experiment.
        cell: Id of the cell, as in results/runs/.
        fold: The fold.
        digest: Digest of the cell's settings that was planned.
        threads: CPU threads of each process; None for the environment's.
        processes: Processes that share every batch of a network, each on a GPU of its own or all on the CPU.

    Raises:
        UnknownNameError: The experiment or the cell is not known.
        StaleError: The settings have another digest here than was planned, or a parent cell was trained on something
            else.
    """
    train_fold(_job(config, experiment, cell, fold, digest, threads, processes))


def _job(config: Path, name: str, cell: str, fold: int, digest: str, threads: int | None, processes: int) -> TrainJob:
    """Resolve a training job and compute the digests of the data that it reads."""
    resolved = begin_job(config)
    experiment = resolved.experiment(name)
    plans = {plan.cell.id: plan for plan in plan_cells(name, experiment, (fold,))}
    if cell not in plans:
        raise UnknownNameError(f"cell of experiment {name}", cell, plans)
    plan = plans[cell]
    if plan.config != digest:
        found = f"has {plan.config[:12]}" if plan.config else f"cannot train it: {plan.problem}"
        raise StaleError(
            f"{name}/{cell}: planned with settings {digest[:12]}, this installation {found}; is another version of "
            "affectstore installed where the job runs, or have the published weights that it starts from changed since?"
        )
    store, split = RESULTS.store(experiment.corpus), RESULTS.split(experiment.corpus, experiment.protocol)
    keys: dict[str, dict[str, str]] = {}
    contents: dict[str, dict[str, str]] = {}
    for feature in set(plan.features.values()):
        ledgers = (
            Ledger.read(RESULTS.ledger(experiment.corpus, feature, shard.shard))
            for shard in Catalog.read(store / feature).shards
        )
        entries = [entry for ledger in ledgers for entry in ledger.clips]
        keys[feature] = {entry.clip_id: entry.key for entry in entries}
        contents[feature] = {entry.clip_id: f"{entry.status} {entry.digest}" for entry in entries}
    clips, table = pd.read_parquet(RESULTS.clips(experiment.corpus)), pd.read_parquet(split)

    def digests_of(one: CellPlan, by_clip: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        of_data = data_digests(experiment, clips, table, fold, one.features, by_clip, one.unlabelled)
        return {"config": str(one.config), **of_data}

    return TrainJob(
        experiment_name=name,
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
            parent: read_parent(parent, plan.marker_of(parent).parent, digests_of(plans[parent], contents), cell)
            for parent in plan.parents
        },
        combinations=plan.combinations,
        threads=threads,
        processes=processes,
    )
