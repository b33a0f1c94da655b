"""Planned state of the results: corpora are scanned and planned, stale files removed, before the DAG is built.

Snakemake's own memory cannot tell what is stale: it sees files, not clips. Therefore it is found here, in the main
process, and left as facts that Snakemake cannot misread: what is out of date is missing, and what has to be published
again has a new request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from affectstore.config.resolve import Resolved, load_resolved, read_config
from affectstore.corpora.base import CORPORA
from affectstore.errors import ConfigError, CorpusError, UnknownNameError
from affectstore.features.keys import FeatureInstance, Features, features_of
from affectstore.features.plan import shard_names
from affectstore.files import write_if_changed
from affectstore.lock import lock_driver
from affectstore.models.cells.expand import expand
from affectstore.models.cells.inputs import input_features
from affectstore.paths import RESULTS
from affectstore.preflight.cells import CellPlan, plan_cells
from affectstore.preflight.plan import plan_columns, write_plans
from affectstore.preflight.scan import Manifest, scan, write_manifest
from affectstore.preflight.stale_ledgers import FeatureState, find_stale_ledgers
from affectstore.preflight.stale_runs import ExperimentState, find_stale_runs
from affectstore.preflight.validate import check_config, validate_weights


@dataclass(frozen=True)
class State:
    """Answers to everything that the rules ask: inputs, targets, digests.

    Attributes:
        resolved: Configuration of this run.
        config_file: Its file, which the jobs read.
        features: Every feature instance, upstream ones first.
        manifests: Corpus -> result of its scan.
        stores: Corpus -> feature -> state.
        experiments: Name -> state.
        problems: Corpus -> reason why it cannot be used now.
        wanted: Experiments of this run; the report waits for their tables.
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
        """Check that a corpus is at hand.

        Raises:
            UnknownNameError: config.yaml has no such corpus.
            CorpusError: Its folder is missing or cannot be used.
        """
        if corpus in self.problems:
            raise CorpusError(self.problems[corpus])
        self.resolved.root(corpus)

    def feature(self, name: str) -> FeatureInstance:
        """Feature instance of a name.

        Raises:
            UnknownNameError: config.yaml has no such feature.
            ConfigError: It cannot be computed here; the message names what is missing.
        """
        return self.features[name]

    def catalog(self, corpus: str, feature: str) -> str:
        """Path of a feature's catalog."""
        self.feature(feature)
        return str(RESULTS.catalog(corpus, feature))

    def catalogs(self, corpora: Iterable[str] | None = None, features: Iterable[str] | None = None) -> list[str]:
        """Catalogs of the named features (all usable ones) of the named corpora (all that are at hand)."""
        corpora = list(self.stores) if corpora is None else list(corpora)
        for corpus in corpora:
            self.require(corpus)
        return [self.catalog(c, f) for c in corpora for f in (self.features if features is None else features)]

    def ledgers(self, corpus: str, feature: str, full: bool = False) -> list[str]:
        """Ledgers that a commit waits for: none where the catalog is up to date.

        Args:
            corpus: The corpus.
            feature: The feature.
            full: Return them all the same: a forced run needs the order.
        """
        self.require(corpus)
        self.feature(feature)
        store = self.stores.get(corpus)
        if store is not None and not full and not store[feature].pending:
            return []
        shards = shard_names(self.resolved.config.corpora[corpus].shards)
        return [str(RESULTS.ledger(corpus, feature, shard)) for shard in shards]

    def upstream_ledgers(self, corpus: str, feature: str, shard: str, full: bool = False) -> list[str]:
        """Ledgers that an extraction reads: none where its own ledger is up to date."""
        self.require(corpus)
        sources = self.feature(feature).upstream.values()
        store = self.stores.get(corpus)
        if store is not None and not full and shard not in store[feature].missing:
            return []
        return [str(RESULTS.ledger(corpus, source, shard)) for source in sources]

    def cell(self, experiment: str, cell: str, fold: int) -> CellPlan:
        """Plan of a cell of an experiment on a fold.

        Raises:
            UnknownNameError: The experiment or the cell is not known.
            ConfigError: It cannot be trained here; the message names what is missing.
        """
        plans = plan_cells(experiment, self.resolved.experiment(experiment), (fold,))
        by_id = {plan.cell.id: plan for plan in plans}
        if cell not in by_id:
            raise UnknownNameError(f"cell of experiment {experiment}", cell, by_id)
        _raise_problems(experiment, [by_id[cell]])
        return by_id[cell]

    def cell_inputs(self, experiment: str, cell: str, fold: int, full: bool = False) -> list[str]:
        """Files that a training job waits for: none where its marker is up to date."""
        plan = self.cell(experiment, cell, fold)
        settings = self.resolved.experiment(experiment)
        self.require(settings.corpus)
        state = self.experiments.get(experiment)
        if state is not None and not full and str(plan.marker) not in state.missing:
            return []
        split = str(RESULTS.split(settings.corpus, settings.protocol))
        missing = None if state is None or full else state.missing
        parents = [path for path in map(str, map(plan.marker_of, plan.parents)) if missing is None or path in missing]
        return [*self.catalogs([settings.corpus], sorted(set(plan.features.values()))), split, *parents]

    def markers(self, experiment: str, full: bool = False) -> list[str]:
        """Markers that scoring waits for: none where the metrics are up to date."""
        settings = self.resolved.experiment(experiment)
        self.require(settings.corpus)
        state = self.experiments.get(experiment)
        if state is None:  # in a job: the driver has made sure of them
            return []
        if state.problems:
            raise ConfigError("\n".join(map(str, state.problems)))
        return [str(plan.marker) for plan in state.cells] if state.pending or full else []

    def tables(self, experiments: Iterable[str]) -> list[str]:
        """Tables and figures of the named experiments."""
        names: list[str] = []
        for experiment in experiments:
            self.require(self.resolved.experiment(experiment).corpus)
            names += map(str, RESULTS.tables(experiment))
        return names

    def skipped_list(self, experiment: str) -> str:
        """List of the files and clips that the scan of an experiment's corpus left out."""
        return str(RESULTS.skipped(self.resolved.experiment(experiment).corpus))

    def published_for(self, experiments: Iterable[str]) -> list[str]:
        """Catalogs of the features that the named experiments read, and of all upstream features.

        Raises:
            ConfigError: A feature or a cell needs weights that are not here; nothing is computed for it then.
        """
        paths: list[str] = []
        for name in experiments:
            experiment = self.resolved.experiment(name)
            read = {feature for cell in experiment.cells for feature in input_features(experiment, cell).values()}
            for feature in sorted(read):
                self.feature(feature)
            _raise_problems(name, plan_cells(name, experiment, (0,)))
            for feature in reversed(list(self.features)):  # upstream ones come first
                if feature in read:
                    read |= set(self.features[feature].upstream.values())
            paths += self.catalogs([experiment.corpus], [feature for feature in self.features if feature in read])
        return list(dict.fromkeys(paths))

    def targets(self, experiments: Iterable[str]) -> list[str]:
        """All results of the named experiments: catalogs, tables, figures, report."""
        experiments = list(experiments)
        return [*self.published_for(experiments), *self.tables(experiments), str(RESULTS.report)]


def _raise_problems(experiment: str, plans: Iterable[CellPlan]) -> None:
    if problems := list(validate_weights(experiment, plans)):
        raise ConfigError("\n".join(map(str, problems)))


def plan_all() -> State:
    """Read the configuration, scan and plan every corpus that is at hand, and find all that is out of date.

    Raises:
        AffectstoreError: The configuration is wrong, or another driver is at work.
    """
    return plan_runs(plan_stores())


def plan_stores(
    corpora: Iterable[str] | None = None,
    *,
    experiments: Iterable[str] | None = None,
    paranoid: bool = False,
    resolved: Resolved | None = None,
) -> State:
    """Read the configuration, scan and plan the corpora, and remove what is out of date in their stores.

    Args:
        corpora: Corpora of this run; None for all that can be found.
        experiments: Experiments of this run; None for the default ones.
        paranoid: Hash every media file again, even if its size and time are unchanged.
        resolved: Configuration of a run that has begun; None to read it.

    Raises:
        AffectstoreError: The configuration is wrong, another driver is at work, or a named corpus cannot be read.
    """
    resolved = resolved or expand(read_config())
    features = features_of(resolved.config)
    check_config(resolved, features)
    lock_driver()
    write_if_changed(resolved.path, resolved.text.encode())
    write_if_changed(RESULTS.current_config, resolved.path.name.encode())
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
        stores[corpus] = find_stale_ledgers(corpus, plans, features)
    wanted = resolved.config.experiments if experiments is None else tuple(experiments)
    return State(resolved, resolved.path, features, manifests, stores, {}, problems, wanted)


def plan_runs(state: State) -> State:
    """Find the cells to train and the experiments to score, of all whose corpora are planned.

    After the store pass this is the early cutoff: features that came out the same train nothing again.
    """
    experiments = {
        name: find_stale_runs(name, e, state.manifests[e.corpus].clips, state.stores[e.corpus], state.features.unusable)
        for name, e in state.resolved.experiments.items()
        if e.corpus in state.manifests
    }
    return replace(state, experiments=experiments)


def state_of_job() -> State:
    """State for a job on another machine: the configuration that its driver wrote, and nothing planned."""
    resolved = load_resolved(RESULTS.configs / RESULTS.current_config.read_text().strip())
    return State(resolved, resolved.path, features_of(resolved.config))


def _scan(resolved: Resolved, corpus: str, paranoid: bool) -> Manifest:
    root = resolved.root(corpus)
    options = dict(resolved.config.corpora[corpus].options)
    kind = resolved.config.kind_of(corpus)
    module = CORPORA.load(kind)
    if hasattr(module, "prepare"):
        module.prepare(root, options)
    manifest = scan(corpus, root, options, kind=kind, paranoid=paranoid)
    write_manifest(manifest)
    write_if_changed(RESULTS.clips(corpus), RESULTS.manifest(corpus).read_bytes())
    return manifest
