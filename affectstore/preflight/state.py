"""The preflight: scan, plan and judge, before the DAG is built.

Snakemake's own memory cannot tell what is stale: it sees files, not clips. So everything that can be
judged is judged here, in the main process, and put as facts that Snakemake cannot misread: what no
longer holds is not there, and what has to be published again has a new request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from affectstore.config.check import check_names
from affectstore.config.resolve import RESOLVED, Resolved, load_resolved, read_config
from affectstore.corpora.base import CORPORA
from affectstore.errors import ConfigError, CorpusError, UnknownNameError
from affectstore.features.keys import FeatureInstance, Features, features_of
from affectstore.features.plan import shard_names
from affectstore.files import write_if_changed
from affectstore.lock import lock_driver
from affectstore.models.cells.expand import expand
from affectstore.models.cells.inputs import input_features
from affectstore.preflight.cells import CellPlan, plan_cells, why_unusable
from affectstore.preflight.experiments import ExperimentState, judge_experiment
from affectstore.preflight.judge import STORE, FeatureState, judge_corpus
from affectstore.preflight.plan import plan_columns, write_plans
from affectstore.preflight.scan import Manifest, manifest_path, scan, write_manifest

RESULTS = Path("results")
_CURRENT = RESOLVED / "current"


@dataclass(frozen=True)
class State:
    """All that the rules ask for.

    Attributes:
        resolved: the configuration of this run.
        config_file: where it is written for the jobs.
        features: every feature instance, upstream ones first.
        manifests: corpus -> what its scan found.
        stores: corpus -> feature -> where it stands.
        experiments: name -> where it stands.
        problems: corpus -> why it cannot be used now.
        wanted: the experiments that this run is about; the report waits for their tables.
    """

    resolved: Resolved
    config_file: Path
    features: Features
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    stores: Mapping[str, Mapping[str, FeatureState]] = field(default_factory=dict)
    experiments: Mapping[str, ExperimentState] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()

    def require(self, corpus: str) -> None:
        """Stop when a corpus that is asked for is not there.

        Raises:
            UnknownNameError: config.yaml has no such corpus.
            CorpusError: what was looked for, and where.
        """
        if corpus in self.problems:
            raise CorpusError(self.problems[corpus])
        self.resolved.root(corpus)

    def feature(self, name: str) -> FeatureInstance:
        """A feature instance.

        Raises:
            UnknownNameError: config.yaml has no such feature.
            ConfigError: it cannot be computed here; the message says what is missing.
        """
        return self.features[name]

    def catalog(self, corpus: str, feature: str) -> str:
        """Path of a feature's catalog: what readers go by."""
        self.feature(feature)
        return f"{STORE}/{corpus}/{feature}/catalog.json"

    def catalogs(self, corpora: Iterable[str] | None = None, features: Iterable[str] | None = None) -> list[str]:
        """Catalogs of the named features (all usable ones) of the named corpora (all that are at hand)."""
        corpora = list(self.stores) if corpora is None else list(corpora)
        for corpus in corpora:
            self.require(corpus)
        return [self.catalog(c, f) for c in corpora for f in (self.features if features is None else features)]

    def ledgers(self, corpus: str, feature: str, full: bool = False) -> list[str]:
        """Ledgers that a commit waits for: none where what is published stands.

        Args:
            corpus, feature: which.
            full: name them all the same (a forced run needs the order).
        """
        self.require(corpus)
        self.feature(feature)
        store = self.stores.get(corpus)
        if store is not None and not full and not store[feature].pending:
            return []
        return [self._ledger(corpus, feature, s) for s in shard_names(self.resolved.config.corpora[corpus].shards)]

    def upstream_ledgers(self, corpus: str, feature: str, shard: str, full: bool = False) -> list[str]:
        """Ledgers that an extraction reads: none where its own ledger holds."""
        self.require(corpus)
        sources = self.feature(feature).upstream.values()
        store = self.stores.get(corpus)
        if store is not None and not full and shard not in store[feature].missing:
            return []
        return [self._ledger(corpus, source, shard) for source in sources]

    def cell(self, experiment: str, cell: str, fold: int) -> CellPlan:
        """A cell of an experiment on a fold.

        Raises:
            UnknownNameError: the experiment or the cell is not known.
            ConfigError: it cannot be trained here; the message says what is missing.
        """
        plans = plan_cells(experiment, self.resolved.experiment(experiment), (fold,))
        by_id = {plan.cell.id: plan for plan in plans}
        if cell not in by_id:
            raise UnknownNameError(f"cell of experiment {experiment}", cell, by_id)
        if problem := why_unusable(experiment, [by_id[cell]]):
            raise ConfigError(problem)
        return by_id[cell]

    def cell_inputs(self, experiment: str, cell: str, fold: int, full: bool = False) -> list[str]:
        """What a training job waits for: nothing where its marker holds."""
        plan = self.cell(experiment, cell, fold)
        settings = self.resolved.experiment(experiment)
        self.require(settings.corpus)
        state = self.experiments.get(experiment)
        if state is not None and not full and str(plan.marker) not in state.missing:
            return []
        split = f"results/splits/{settings.corpus}/{settings.protocol}.parquet"
        missing = None if state is None or full else state.missing
        parents = [path for path in map(str, map(plan.marker_of, plan.parents)) if missing is None or path in missing]
        return [*self.catalogs([settings.corpus], sorted(set(plan.features.values()))), split, *parents]

    def markers(self, experiment: str, full: bool = False) -> list[str]:
        """Markers that scoring waits for: none where the metrics stand."""
        settings = self.resolved.experiment(experiment)
        self.require(settings.corpus)
        state = self.experiments.get(experiment)
        if state is None:  # in a job: the driver has made sure of them
            return []
        if state.problem:
            raise ConfigError(state.problem)
        return [str(plan.marker) for plan in state.cells] if state.pending or full else []

    def tables(self, experiments: Iterable[str]) -> list[str]:
        """Tables and figures of the named experiments."""
        names = []
        for experiment in experiments:
            self.require(self.resolved.experiment(experiment).corpus)
            names += [f"results/tables/{experiment}.{suffix}" for suffix in ("csv", "md", "tex")]
            names += [
                f"results/figures/{experiment}-{figure}.{suffix}"
                for figure in ("bars", "confusion", "curves")
                for suffix in ("svg", "png")
            ]
        return names

    def published_for(self, experiments: Iterable[str]) -> list[str]:
        """Catalogs of the features that the named experiments read, and of all that these are computed from.

        Raises:
            ConfigError: a feature or a cell needs weights that are not here; nothing is computed for it then.
        """
        paths: list[str] = []
        for name in experiments:
            experiment = self.resolved.experiment(name)
            read = {feature for cell in experiment.cells for feature in input_features(experiment, cell).values()}
            for feature in sorted(read):
                self.feature(feature)
            if problem := why_unusable(name, plan_cells(name, experiment, (0,))):
                raise ConfigError(problem)
            for feature in reversed(list(self.features)):  # upstream ones stand first
                if feature in read:
                    read |= set(self.features[feature].upstream.values())
            paths += self.catalogs([experiment.corpus], [feature for feature in self.features if feature in read])
        return list(dict.fromkeys(paths))

    def targets(self, experiments: Iterable[str]) -> list[str]:
        """All that a run of the named experiments leaves behind."""
        experiments = list(experiments)
        return [*self.published_for(experiments), *self.tables(experiments), "results/report.html"]

    @staticmethod
    def _ledger(corpus: str, feature: str, shard: str) -> str:
        return f"{STORE}/{corpus}/{feature}/shards/{shard}.json"


def settle() -> State:
    """Read the configuration, scan and plan every corpus that is at hand, and judge all that stands.

    Raises:
        AffectstoreError: the configuration is wrong, or another driver is at work.
    """
    return judge_runs(settle_stores())


def settle_stores(
    corpora: Iterable[str] | None = None,
    *,
    experiments: Iterable[str] | None = None,
    paranoid: bool = False,
    resolved: Resolved | None = None,
) -> State:
    """Read the configuration, scan and plan the corpora, and judge what stands in their stores.

    Args:
        corpora: those that matter to this run; None for all that can be found.
        experiments: those that this run is about; None for the default ones.
        paranoid: hash every media file again, whatever its size and time say.
        resolved: the configuration of a run that has begun; None to read it.

    Raises:
        AffectstoreError: the configuration is wrong, another driver is at work, or a corpus that was
            named cannot be read.
    """
    resolved = resolved or expand(read_config())
    features = features_of(resolved.config)
    check_names(resolved, features)
    lock_driver()
    write_if_changed(resolved.path, resolved.text.encode())
    write_if_changed(_CURRENT, resolved.path.name.encode())
    manifests: dict[str, Manifest] = {}
    stores: dict[str, dict[str, FeatureState]] = {}
    problems: dict[str, str] = {}
    for corpus in resolved.config.corpora if corpora is None else corpora:
        try:
            manifests[corpus] = _scan(resolved, corpus, paranoid)
        except CorpusError as error:
            if corpora is not None:
                raise
            problems[corpus] = str(error)
            continue
        clips = manifests[corpus].clips
        plans = write_plans(corpus, plan_columns(clips), resolved.config.corpora[corpus].shards)
        stores[corpus] = judge_corpus(corpus, plans, features)
    wanted = resolved.config.experiments if experiments is None else tuple(experiments)
    return State(resolved, resolved.path, features, manifests, stores, {}, problems, wanted)


def judge_runs(state: State) -> State:
    """Judge the runs of every experiment on a settled corpus.

    After the store pass this is the early cutoff: features that came out the same train nothing again.
    """
    judged = {
        name: judge_experiment(
            name, e, state.manifests[e.corpus].clips, state.stores[e.corpus], state.features.unusable
        )
        for name, e in state.resolved.experiments.items()
        if e.corpus in state.manifests
    }
    return replace(state, experiments=judged)


def state_of_job() -> State:
    """What a job on another machine needs of the state: the configuration its driver wrote, nothing judged."""
    resolved = load_resolved(RESOLVED / _CURRENT.read_text().strip())
    return State(resolved, resolved.path, features_of(resolved.config))


def _scan(resolved: Resolved, corpus: str, paranoid: bool) -> Manifest:
    root = resolved.root(corpus)
    options = dict(resolved.config.corpora[corpus].options)
    kind = resolved.config.kind_of(corpus)
    module = CORPORA.load(kind)
    if hasattr(module, "prepare"):
        module.prepare(root, options)
    manifest = scan(corpus, root, options, kind=kind, paranoid=paranoid)
    write_manifest(manifest, RESULTS)
    path = manifest_path(corpus)
    write_if_changed(STORE / corpus / "clips.parquet", path.read_bytes())
    return manifest
