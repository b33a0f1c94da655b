"""Grid search over one cell: every combination is trained with every seed, and one is chosen on validation for all
seeds.

    {fold}/grid/{combination}/{seed}/   run.json and history.csv of a trial; the folder is named by its settings' digest
    {fold}/grid.csv                     all trials, one per row
    {fold}/{seed}/                      the run: the trial of the chosen combination, and its predictions

Only the chosen combination predicts the test subset, after it is chosen. A trial is valid as long as its settings and
data are, whatever else is in the grid: with more values or seeds only the new trials are trained. Its weights are
removed when all runs are complete: the runs hold those of the chosen combination. Where another combination is chosen
later (more seeds, fewer values), its seeds are trained once more.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from affectstore.files import write_atomic
from affectstore.models.cells.combinations import Combination
from affectstore.models.run_files import (
    HISTORY,
    RECIPE,
    WEIGHTS,
    begin_run,
    finish_run,
    is_complete,
    read_facts,
    update_digests,
)
from affectstore.models.seed_runner import SeedRunner
from affectstore.models.spec import TrainingError

#: Metric that combinations of a baseline's options are compared by; networks have `train.monitor`.
BASELINE_MONITOR = "uar"

TRIALS, TABLE = "grid", "grid.csv"


@dataclass(frozen=True)
class GridJob:
    """Grid of a cell on one fold.

    Attributes:
        combinations: All combinations, in order.
        configs: Digest of the settings of each.
        seeds: Seed -> digests of its run.
        monitor: Metric that combinations are compared by.
        out: Folder of the cell and fold.
        where: Name of the cell and fold in messages.
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
        """Folder of a trial."""
        return self.out / TRIALS / self.configs[k][:12] / str(seed)

    def digests(self, k: int, seed: int) -> dict[str, str]:
        """Digests of a trial: those of the run of a plain cell with these options."""
        return {**self.seeds[seed], "config": self.configs[k]}

    def trial(self, k: int, seed: int) -> dict[str, Any] | None:
        """Facts of a trial that is valid; None where it has to be trained."""
        facts = read_facts(self.folder(k, seed))
        return facts if facts is not None and facts.get("digests") == self.digests(k, seed) else None


@dataclass(frozen=True)
class _Choice:
    """Chosen combination; the same in all processes.

    Attributes:
        k: Place of the combination.
        score: Its mean score over the seeds.
        again: Seeds of it that have to be trained once more, their weights having been removed.
        predicted: Seeds whose runs do not hold it yet.
    """

    k: int
    score: float
    again: tuple[int, ...]
    predicted: tuple[int, ...]


def train_grid(job: GridJob, load: Callable[[], SeedRunner]) -> bool:
    """Train the missing trials of a grid, choose a combination, and make the runs of all seeds.

    Args:
        job: The grid.
        load: Loads the data; called once, and only where something has to be trained or predicted.

    Returns:
        True in the process that writes.

    Raises:
        TrainingError: No combination could be trained.
    """
    runner: SeedRunner | None = None
    every = [(k, seed) for k in range(len(job.combinations)) for seed in job.seeds]
    missing = [(k, seed) for k, seed in every if job.trial(k, seed) is None]
    if len(missing) < len(every):
        print(f"{job.where}: {len(every) - len(missing)} of {len(every)} trials of the grid reused", flush=True)
    if missing:
        runner = load()
        for k, seed in missing:
            _train(job, runner, k, seed)
        choice = runner.broadcast(_choose(job) if runner.is_global_zero else None)
    else:
        choice = _choose(job)
    if choice is None:
        raise TrainingError(f"{job.where}: the first process chose no combination")
    if runner is None and choice.predicted:
        runner = load()
    if runner is not None:
        for seed in choice.again:
            _train(job, runner, choice.k, seed)
        if not runner.is_global_zero:
            return False
    _finish(job, runner, choice)
    return True


def select_best(scores: Sequence[Sequence[Mapping[str, float]] | None], monitor: str) -> tuple[int, float]:
    """Select the best combination by its mean validation score over the seeds.

    All seeds of a fold get the same options, so that their spread is that of training alone.

    Args:
        scores: For each combination, in order, the validation scores of each seed: loss, uar and accuracy; None where a
            seed could not be trained.
        monitor: "loss" (lower is better), "uar" or "accuracy" (higher is better).

    Returns:
        Its place and its mean score. Of equal scores the one with the lower mean loss is selected, then the first.

    Raises:
        TrainingError: No combination could be trained.
    """
    means = {
        k: {name: fmean(seed[name] for seed in seeds) for name in ("loss", monitor)}
        for k, seeds in enumerate(scores)
        if seeds is not None
    }
    if not means:
        raise TrainingError("none of the combinations of the grid could be trained")
    sign = -1 if monitor == "loss" else 1
    best = max(means, key=lambda k: (sign * means[k][monitor], -means[k]["loss"]))
    return best, means[best][monitor]


def _train(job: GridJob, runner: SeedRunner, k: int, seed: int) -> None:
    """Train one trial; one that fails (its loss is not finite, for example) is recorded as failed, and not chosen."""
    folder, digests, start = job.folder(k, seed), job.digests(k, seed), time.perf_counter()
    facts: Mapping[str, Any] | None
    try:
        facts = runner.trial(job.combinations[k].cell, seed, folder, digests)
    except TrainingError as error:
        facts = {"seed": seed, "digests": digests, "failed": str(error)}
        if runner.is_global_zero:
            shutil.rmtree(folder, ignore_errors=True)
            finish_run(folder, facts)
    if facts is None or not runner.is_global_zero:
        return
    if failed := facts.get("failed"):
        result = f"failed: {failed}"
    else:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in facts["validation"].items())
        result = f"validation {scores}, {runner.log_line(facts)}"
    seconds = time.perf_counter() - start
    print(f"{job.where} seed {seed}, {job.combinations[k].label}: {result}, {seconds:.1f} s", flush=True)


def _choose(job: GridJob) -> _Choice:
    """Read all trials, and choose a combination."""
    scores: list[list[Mapping[str, float]] | None] = []
    failed: dict[str, None] = {}
    for k in range(len(job.combinations)):
        trials = [job.trial(k, seed) or {} for seed in job.seeds]
        failed |= dict.fromkeys(str(facts["failed"]) for facts in trials if "failed" in facts)
        scores.append(None if any("failed" in facts for facts in trials) else [facts["validation"] for facts in trials])
    try:
        k, score = select_best(scores, job.monitor)
    except TrainingError as error:
        raise TrainingError(f"{job.where}: {error}: {'; '.join(failed)}") from None
    predicted = tuple(seed for seed in job.seeds if not _holds(job, k, seed))
    trained = {seed for seed in predicted if (job.folder(k, seed) / WEIGHTS).is_file()}
    return _Choice(k, score, tuple(seed for seed in predicted if seed not in trained), predicted)


def _holds(job: GridJob, k: int, seed: int) -> bool:
    """Test if the run of a seed is complete and of this combination, chosen from this grid or another one."""
    folder = job.out / str(seed)
    facts = read_facts(folder)
    if facts is None or not facts.get("grid"):
        return False
    as_trained = {**facts["digests"], "config": facts["grid"]["config"]}
    return as_trained == job.digests(k, seed) and is_complete(folder, facts["digests"])


def _finish(job: GridJob, runner: SeedRunner | None, choice: _Choice) -> None:
    """Make the runs of the chosen combination, write the table, and remove the trials' weights."""
    one, trials = job.combinations[choice.k], [[job.trial(k, seed) or {} for seed in job.seeds] for k in _places(job)]
    grid = {
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
            if facts["digests"] != dict(digests) or facts["grid"] != grid:
                update_digests(folder, digests)
                finish_run(folder, {**facts, "digests": dict(digests), "grid": grid})
            print(f"{job.where} seed {seed}: reused", flush=True)
        elif runner is not None:
            facts = _predict(job, runner, choice.k, seed)
            update_digests(folder, digests)
            finish_run(folder, {**facts, "digests": dict(digests), "grid": grid})
            print(f"{job.where} seed {seed}: {facts['n']['test']} clips tested", flush=True)
    _write_table(job, choice.k)
    for k, seed in ((k, seed) for k in _places(job) for seed in job.seeds):
        for name in (WEIGHTS, RECIPE):
            (job.folder(k, seed) / name).unlink(missing_ok=True)


def _predict(job: GridJob, runner: SeedRunner, k: int, seed: int) -> dict[str, Any]:
    """Copy a trial to the run of its seed, and predict; its facts, which are not yet in run.json."""
    start = time.perf_counter()
    trial, folder = job.folder(k, seed), job.out / str(seed)
    facts = dict(read_facts(trial) or {})
    if "failed" in facts:
        raise TrainingError(f"{job.where} seed {seed}: {job.combinations[k].label}, trained again: {facts['failed']}")
    begin_run(folder)
    for name in (WEIGHTS, RECIPE, HISTORY):
        write_atomic(folder / name, (trial / name).read_bytes())
    facts |= runner.predict(job.combinations[k].cell, seed, folder)
    facts["wall_s"] += time.perf_counter() - start
    del facts["validation"]
    return facts


def _write_table(job: GridJob, chosen: int) -> None:
    rows = []
    for k in _places(job):
        options = {name: _plain(value) for name, value in job.combinations[k].options.items()}
        for seed in job.seeds:
            facts = job.trial(k, seed) or {}
            scores = facts.get("validation", {})
            rows.append(
                {"combination": job.configs[k][:12], **options, "seed": seed}
                | {name: facts.get(name) for name in ("best_epoch", "epochs")}
                | {f"val_{name}": scores.get(name) for name in ("loss", "uar", "accuracy")}
                | {"train_s": facts.get("train_s"), "chosen": k == chosen, "failed": facts.get("failed", "")}
            )
    write_atomic(job.out / TABLE, pd.DataFrame(rows).to_csv(index=False).encode())


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | tuple | None) else value


def _places(job: GridJob) -> range:
    return range(len(job.combinations))
