"""A cell with a `grid`: every combination is trained with every seed, and one is chosen on validation for all seeds.

    {fold}/grid/{combination}/{seed}/   run.json and history.csv of a trial; the folder is named by its settings' digest
    {fold}/grid.csv                     all trials, one a row
    {fold}/{seed}/                      the run: the trial of the combination that was chosen, and its predictions

Nothing is predicted on the test side but by the combination that was chosen, once that is settled. A trial stands as
long as its settings and data do, whatever else is in the grid: more values or seeds train what is new alone. Its
weights are removed when all runs are whole: what was chosen has them in the runs. Where another choice comes out later
(more seeds, fewer values), the seeds of that combination are trained once more.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.files import write_atomic
from affectstore.models.base import TrainingError
from affectstore.models.engine.choose import choose
from affectstore.models.engine.saved import RECIPE, WEIGHTS, restamp
from affectstore.models.engine.trainer import Trainer
from affectstore.models.engine.written import HISTORY, begin_run, finish_run, is_complete, read_facts
from affectstore.models.grid import Combination

TRIALS, TABLE = "grid", "grid.csv"


@dataclass(frozen=True)
class GridJob:
    """The grid of a cell on one fold.

    Attributes:
        combinations: all of them, in order.
        configs: of each, the digest of its settings.
        seeds: seed -> what its run follows from.
        monitor: what combinations are compared by.
        out: folder of the cell and fold.
        where: what messages call it.
    """

    combinations: tuple[Combination, ...]
    configs: tuple[str, ...]
    seeds: Mapping[int, Mapping[str, str]]
    monitor: str
    out: Path
    where: str

    def __post_init__(self) -> None:
        if len(self.configs) != len(self.combinations):
            raise ValueError(f"{len(self.combinations)} combinations, and digests of {len(self.configs)}")

    def folder(self, k: int, seed: int) -> Path:
        """Where a trial is trained."""
        return self.out / TRIALS / self.configs[k][:12] / str(seed)

    def digests(self, k: int, seed: int) -> dict[str, str]:
        """What a trial follows from: the same as the run of a plain cell with these options."""
        return {**self.seeds[seed], "config": self.configs[k]}

    def trial(self, k: int, seed: int) -> dict[str, Any] | None:
        """The facts of a trial that stands; None where it has to be trained."""
        facts = read_facts(self.folder(k, seed))
        return facts if facts is not None and facts.get("digests") == self.digests(k, seed) else None


@dataclass(frozen=True)
class _Choice:
    """What all processes have to agree on.

    Attributes:
        k: place of the combination.
        score: its mean over the seeds.
        again: seeds of it that have to be trained once more, their weights having been removed.
        predicted: seeds whose runs do not hold it yet.
    """

    k: int
    score: float
    again: tuple[int, ...]
    predicted: tuple[int, ...]


def train_grid(job: GridJob, made: Callable[[], Trainer]) -> bool:
    """Train what is missing of a grid, choose, and make the runs of all seeds.

    Args:
        job: what is asked for.
        made: reads the data; it is called once, and only where something has to be trained or predicted.

    Returns:
        Whether this is the process that writes.

    Raises:
        TrainingError: no combination could be trained.
    """
    trainer: Trainer | None = None
    every = [(k, seed) for k in range(len(job.combinations)) for seed in job.seeds]
    missing = [(k, seed) for k, seed in every if job.trial(k, seed) is None]
    if len(missing) < len(every):
        print(f"{job.where}: {len(every) - len(missing)} of {len(every)} trials of the grid reused", flush=True)
    if missing:
        trainer = made()
        for k, seed in missing:
            _train(job, trainer, k, seed)
        choice = trainer.agree(_choose(job) if trainer.first else None)
    else:
        choice = _choose(job)
    if trainer is None and choice.predicted:
        trainer = made()
    if trainer is not None:
        for seed in choice.again:
            _train(job, trainer, choice.k, seed)
        if not trainer.first:
            return False
    _finish(job, trainer, choice)
    return True


def _train(job: GridJob, trainer: Trainer, k: int, seed: int) -> None:
    """Train one trial; one that cannot be trained (its loss is not finite, say) is noted as such, and not chosen."""
    folder, digests, start = job.folder(k, seed), job.digests(k, seed), time.perf_counter()
    facts: Mapping[str, Any] | None
    try:
        facts = trainer.trial(job.combinations[k].cell, seed, folder, digests)
    except TrainingError as error:
        facts = {"seed": seed, "digests": digests, "failed": str(error)}
        if trainer.first:
            shutil.rmtree(folder, ignore_errors=True)
            finish_run(folder, facts)
    if facts is not None and trainer.first:
        failed = facts.get("failed")
        result = f"failed: {failed}" if failed else f"validation {_shown(facts['validation'])}, {trainer.said(facts)}"
        print(
            f"{job.where} seed {seed}, {job.combinations[k].label}: {result}, {time.perf_counter() - start:.1f} s",
            flush=True,
        )


def _shown(worth: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in worth.items())


def _choose(job: GridJob) -> _Choice:
    """Read all trials, and choose."""
    worth: list[list[Mapping[str, float]] | None] = []
    failed: dict[str, None] = {}
    for k in range(len(job.combinations)):
        trials = [job.trial(k, seed) or {} for seed in job.seeds]
        failed |= dict.fromkeys(str(facts["failed"]) for facts in trials if "failed" in facts)
        worth.append(None if any("failed" in facts for facts in trials) else [facts["validation"] for facts in trials])
    try:
        k, score = choose(worth, job.monitor)
    except TrainingError as error:
        raise TrainingError(f"{job.where}: {error}: {'; '.join(failed)}") from None
    predicted = tuple(seed for seed in job.seeds if not _holds(job, k, seed))
    trained = {seed for seed in predicted if (job.folder(k, seed) / WEIGHTS).is_file()}
    return _Choice(k, score, tuple(seed for seed in predicted if seed not in trained), predicted)


def _holds(job: GridJob, k: int, seed: int) -> bool:
    """Whether the run of a seed is a whole one of this combination, chosen from this grid or another one."""
    folder = job.out / str(seed)
    facts = read_facts(folder)
    if facts is None or not facts.get("grid"):
        return False
    as_trained = {**facts["digests"], "config": facts["grid"]["config"]}
    return as_trained == job.digests(k, seed) and is_complete(folder, facts["digests"])


def _finish(job: GridJob, trainer: Trainer | None, choice: _Choice) -> None:
    """Make the runs of the chosen combination, the table, and room."""
    one, trials = job.combinations[choice.k], [[job.trial(k, seed) or {} for seed in job.seeds] for k in _places(job)]
    said = {
        "chosen": dict(one.options),
        "config": job.configs[choice.k],
        "tried": len(job.combinations),
        "failed": sum(any("failed" in facts for facts in seeds) for seeds in trials),
        "seeds": len(job.seeds),
        "monitor": job.monitor,
        "score": choice.score,
    }
    print(f"{job.where}: {one.label} chosen, mean validation {job.monitor} {choice.score:.4f}", flush=True)
    for seed, digests in job.seeds.items():
        folder = job.out / str(seed)
        if seed not in choice.predicted:
            facts = read_facts(folder) or {}
            if facts["digests"] != dict(digests) or facts["grid"] != said:
                restamp(folder, digests)
                finish_run(folder, {**facts, "digests": dict(digests), "grid": said})
            print(f"{job.where} seed {seed}: reused", flush=True)
        elif trainer is not None:
            facts = _predict(job, trainer, choice.k, seed)
            restamp(folder, digests)
            finish_run(folder, {**facts, "digests": dict(digests), "grid": said})
            print(f"{job.where} seed {seed}: {facts['n']['test']} clips tested", flush=True)
    _write_table(job, choice.k)
    for k, seed in ((k, seed) for k in _places(job) for seed in job.seeds):
        for name in (WEIGHTS, RECIPE):
            (job.folder(k, seed) / name).unlink(missing_ok=True)


def _predict(job: GridJob, trainer: Trainer, k: int, seed: int) -> dict[str, Any]:
    """Take a trial over as the run of its seed, and predict; its facts, which run.json still lacks."""
    start = time.perf_counter()
    trial, folder = job.folder(k, seed), job.out / str(seed)
    facts = dict(read_facts(trial) or {})
    if "failed" in facts:
        raise TrainingError(f"{job.where} seed {seed}: {job.combinations[k].label}, trained again: {facts['failed']}")
    begin_run(folder)
    for name in (WEIGHTS, RECIPE, HISTORY):
        write_atomic(folder / name, (trial / name).read_bytes())
    facts |= trainer.predict(job.combinations[k].cell, seed, folder)
    facts["wall_s"] += time.perf_counter() - start
    del facts["validation"]
    return facts


def _write_table(job: GridJob, chosen: int) -> None:
    rows = []
    for k in _places(job):
        options = {name: _plain(value) for name, value in job.combinations[k].options.items()}
        for seed in job.seeds:
            facts = job.trial(k, seed) or {}
            worth = facts.get("validation", {})
            rows.append(
                {"combination": job.configs[k][:12], **options, "seed": seed}
                | {name: facts.get(name) for name in ("best_epoch", "epochs")}
                | {f"val_{name}": worth.get(name) for name in ("loss", "uar", "accuracy")}
                | {"train_s": facts.get("train_s"), "chosen": k == chosen, "failed": facts.get("failed", "")}
            )
    write_atomic(job.out / TABLE, pd.DataFrame(rows).to_csv(index=False).encode())


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | tuple | None) else value


def _places(job: GridJob) -> range:
    return range(len(job.combinations))
